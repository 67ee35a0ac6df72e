import Glibc
import Jobs
import Kernels
import Models
import Synchronization
import Tokenizers

/// Why a generation came to its end.
public enum FinishReason: String, Sendable, Codable {
    /// A stop string appeared.
    case stop
    /// `max_new_tokens`, or the longest position that was trained, was reached.
    case length
    /// The model ended the text with `</s>`.
    case end
}

/// A finished generation.
public struct Generated: Sendable, Equatable {
    /// All pieces joined; the prompt and the stop string are not in it.
    public let text: String
    public let finishReason: FinishReason
    /// `<s>` among them.
    public let promptTokens: Int
    /// The tokens that were chosen, without `</s>`.
    public let generatedTokens: Int
    /// What `SamplingOptions.seed` must be to have this text again.
    public let seed: Int
}

extension InferenceEngine {
    /// Continues a prompt, a token at a time and together with all others under way, until one of `FinishReason` holds.
    /// - Parameters:
    ///   - prompt: its tokens follow an `<s>`
    ///   - user: whose share of places and turns it takes
    ///   - onPiece: gets each piece of text when it is ready, never an empty one; meanwhile generation goes on
    /// - Throws: `InferenceError` (`promptTooLong`, `wrongObjective`, `invalidParameter`, `notANumber`), what `onPiece`
    ///   throws, and `CancellationError` before the next token once the task is cancelled.
    public func generate(
        _ prompt: String, sampling: SamplingOptions = SamplingOptions(), for user: UInt32 = geteuid(),
        onPiece: @Sendable (String) async throws -> Void = { _ in }
    ) async throws -> Generated {
        try require(.clm)
        try sampling.validate()
        let limit = longestPrompt
        let prompt = try await self.prompt(prompt, parameter: "prompt", limit: limit, for: user)
        guard prompt.count <= limit else { throw InferenceError.promptTooLong(tokens: prompt.count, limit: limit) }
        let (steps, output) = AsyncThrowingStream.makeStream(of: GenerationRun.Step.self)
        let run = try GenerationRun(engine: self, prompt: prompt.ids, sampling: sampling, user: user, output: output)
        // Whichever way the caller leaves, its place is free at the next step.
        defer { run.cancel() }
        return try await withTaskCancellationHandler {
            batch.add(run)
            for try await step in steps {
                try Task.checkCancellation()
                if !step.piece.isEmpty { try await onPiece(step.piece) }
                if let result = step.result { return result }
            }
            throw CancellationError()
        } onCancel: {
            run.cancel()
        }
    }
}

/// One generation under way. It makes its tokens as fast as the model does, and its pieces wait for whoever takes them.
final class GenerationRun: @unchecked Sendable {
    // @unchecked: after `init` it is only touched in turns on `WorkQueue.models`, by one thread at a time; `isCancelled` is
    // atomic.

    struct Step: Sendable {
        let piece: String
        /// Nil while there is more to come.
        let result: Generated?
    }

    let user: UInt32
    private let engine: InferenceEngine
    private let sampler: Sampler
    private let seed: Int
    private let maximumTokens: Int
    private let promptTokens: Int
    private let output: AsyncThrowingStream<Step, any Error>.Continuation
    private let isCancelled = Atomic(false)
    /// Nil while it waits for a place.
    private var cache: KeyValueCache?
    /// The prompt and what was generated.
    private var ids: [Int32]
    /// Tokens of `ids` that the model has seen.
    private var seen = 0
    private var assembler: PieceAssembler
    private var text = ""
    private var hasEnded = false

    init(
        engine: InferenceEngine, prompt: [Int32], sampling: SamplingOptions, user: UInt32,
        output: AsyncThrowingStream<Step, any Error>.Continuation
    ) throws(InferenceError) {
        let limit = engine.longestPrompt
        guard prompt.count <= limit else { throw .promptTooLong(tokens: prompt.count, limit: limit) }
        self.engine = engine
        self.user = user
        self.output = output
        seed = sampling.seed ?? Int.random(in: 0..<1 << 53)
        sampler = Sampler(options: sampling, seed: seed, mayEmit: engine.mayEmit)
        promptTokens = prompt.count
        maximumTokens = min(sampling.maxNewTokens, limit + 1 - prompt.count)
        ids = prompt
        assembler = PieceAssembler(stops: sampling.stop)
    }

    /// Nobody waits for the rest.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    var isOver: Bool { hasEnded || isCancelled.load(ordering: .relaxed) }

    /// Takes a place among those under way.
    func join(_ model: PackedModel) {
        // The last token that is generated is not shown to the model any more.
        cache = model.makeKeyValueCache(capacity: promptTokens + maximumTokens - 1)
    }

    /// Whether what the model is to see next is little enough to go with the others' next tokens: the last token, or what is
    /// left of a prompt.
    var goesWithOthers: Bool { ids.count - seen <= SumOrder.straightRows }

    /// What the next step shows to the model, with the others'.
    var next: (ids: [Int32], cache: KeyValueCache) {
        guard let cache else { fatalError("a step before the generation has a place") }
        return (Array(ids[seen...]), cache)
    }

    /// Tokens of a prompt that one turn takes: the others' next tokens wait for it.
    private static let promptTurn = 256

    /// Shows the model the next part of a prompt that takes turns of its own; with its last the first token is generated.
    /// - Returns: how many tokens that were
    func takePrompt(_ model: PackedModel) -> Int {
        guard let cache else { fatalError("a prompt before the generation has a place") }
        let part = ids[seen..<min(promptTokens, seen + Self.promptTurn)]
        let isLast = part.endIndex == promptTokens
        let logits = model.prefill(Array(part), cache: cache, isLast: isLast) { WorkQueue.models.letOthersIn() }
        if isLast {
            logits.withUnsafeBufferPointer { take($0) }
        } else {
            seen = part.endIndex
        }
        return part.count
    }

    /// Generates the token that follows, once the model has seen all of `ids`.
    /// - Parameter logits: `[vocabSize]`
    func take(_ logits: UnsafeBufferPointer<Float>) {
        seen = ids.count
        do throws(InferenceError) {
            let token = try sampler.next(logits: logits, history: ids, step: ids.count - promptTokens)
            if token == SpecialToken.eos.rawValue { return finish(.end, piece: "") }
            ids.append(token)
            let piece = assembler.append(engine.tokenizer.decodeBytes([token]))
            if assembler.hasStopped { return finish(.stop, piece: piece) }
            if ids.count - promptTokens == maximumTokens { return finish(.length, piece: piece) }
            text += piece
            if !piece.isEmpty { output.yield(Step(piece: piece, result: nil)) }
        } catch {
            hasEnded = true
            output.finish(throwing: error)
        }
    }

    private func finish(_ reason: FinishReason, piece: String) {
        let piece = piece + assembler.finish()
        text += piece
        hasEnded = true
        // An unfinished character at the very end can still make a stop string whole.
        output.yield(
            Step(
                piece: piece,
                result: Generated(
                    text: text, finishReason: assembler.hasStopped ? .stop : reason, promptTokens: promptTokens,
                    generatedTokens: ids.count - promptTokens, seed: seed)))
        output.finish()
    }
}
