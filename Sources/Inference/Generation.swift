import Glibc
import Jobs
import Kernels
import Models
import Synchronization
import Tokenizers

/// The reason that a generation ended.
public enum FinishReason: String, Sendable, Codable {
    /// A stop string was found.
    case stop
    /// `max_new_tokens` or the longest trained position was reached.
    case length
    /// The model generated the token `</s>`. Generated text that spells `</s>` does not end a generation.
    case end
}

/// The result of a generation.
public struct Generated: Sendable, Equatable {
    /// The concatenated pieces, without the prompt and the stop string.
    public let text: String
    public let finishReason: FinishReason
    /// Number of tokens of the prompt, including `<s>`.
    public let promptTokens: Int
    /// Number of generated tokens, without `</s>`.
    public let generatedTokens: Int
    /// The value of `SamplingOptions.seed` that reproduces this text.
    public let seed: Int
}

extension InferenceEngine {
    /// Continues a prompt token by token, together with all other active generations, until one of `FinishReason`
    /// applies.
    /// - Parameters:
    ///   - prompt: the text to continue; `<s>` is prepended; special tokens in it are text
    ///   - user: the user whose share of places and turns is charged
    ///   - onPiece: called with each non-empty piece of text; generation continues meanwhile
    /// - Throws: `InferenceError` (`promptTooLong`, `wrongObjective`, `invalidParameter`, `notANumber`), errors thrown
    ///   by `onPiece`, and `CancellationError` before the next token if the task was cancelled
    public func generate(
        _ prompt: String, sampling: SamplingOptions = SamplingOptions(), for user: UInt32 = geteuid(),
        onPiece: @Sendable (String) async throws -> Void = { _ in }
    ) async throws -> Generated {
        try require(.clm)
        try sampling.validate()
        let limit = longestPrompt
        let prompt = try await self.prompt(
            prompt, specialTokens: .asText, parameter: "prompt", limit: limit, for: user)
        guard prompt.count <= limit else { throw InferenceError.promptTooLong(tokens: prompt.count, limit: limit) }
        let (steps, output) = AsyncThrowingStream.makeStream(of: GenerationRun.Step.self)
        let run = try GenerationRun(engine: self, prompt: prompt.ids, sampling: sampling, user: user, output: output)
        // Frees the place at the next step, however this function exits.
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

/// An active generation. Tokens are generated at the speed of the model; pieces are buffered for the consumer.
final class GenerationRun: @unchecked Sendable {
    // @unchecked: after `init`, accessed only in turns on `WorkQueue.models`, by one thread at a time; `isCancelled` is
    // atomic.

    struct Step: Sendable {
        let piece: String
        /// Nil unless this is the last step.
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
    /// Nil while the generation waits for a place.
    private var cache: KeyValueCache?
    /// The prompt and the generated tokens.
    private var ids: [Int32]
    /// Number of tokens of `ids` that the model has processed.
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
        sampler = Sampler(options: sampling, seed: seed, allowedTokens: engine.allowedTokens)
        promptTokens = prompt.count
        maximumTokens = min(sampling.maxNewTokens, limit + 1 - prompt.count)
        ids = prompt
        assembler = PieceAssembler(stops: sampling.stop)
    }

    /// Ends the generation at the next step, because its result is no longer needed.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    var isOver: Bool { hasEnded || isCancelled.load(ordering: .relaxed) }

    /// Allocates the cache, so that the generation takes part in steps.
    func join(_ model: PackedModel) {
        // The last generated token is not processed by the model.
        cache = model.makeKeyValueCache(capacity: promptTokens + maximumTokens - 1)
    }

    /// Whether the tokens to process next are few enough for a common step: the last token, or the rest of a prompt.
    var isBatchable: Bool { ids.count - seen <= AccumulationOrder.straightRows }

    /// The tokens to process in the next common step.
    var next: (ids: [Int32], cache: KeyValueCache) {
        guard let cache else { fatalError("step without a cache") }
        return (Array(ids[seen...]), cache)
    }

    /// Maximum number of prompt tokens per turn, because the next tokens of other generations wait for it.
    private static let promptTurn = 256

    /// Processes the next part of a long prompt. The last part generates the first token.
    /// - Returns: number of tokens processed
    func takePrompt(_ model: PackedModel) -> Int {
        guard let cache else { fatalError("prompt without a cache") }
        let part = ids[seen..<min(promptTokens, seen + Self.promptTurn)]
        let isLast = part.endIndex == promptTokens
        let logits = model.prefill(Array(part), cache: cache, isLast: isLast) { WorkQueue.models.yieldToOthers() }
        if isLast {
            logits.withUnsafeBufferPointer { take($0) }
        } else {
            seen = part.endIndex
        }
        return part.count
    }

    /// Chooses the next token after the model has processed all of `ids`.
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
        // An incomplete character at the end, when replaced by U+FFFD, can complete a stop string.
        output.yield(
            Step(
                piece: piece,
                result: Generated(
                    text: text, finishReason: assembler.hasStopped ? .stop : reason, promptTokens: promptTokens,
                    generatedTokens: ids.count - promptTokens, seed: seed)))
        output.finish()
    }
}
