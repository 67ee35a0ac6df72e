import Jobs
import Models
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
    /// Continues a prompt, a token at a time, until one of `FinishReason` holds.
    /// - Parameters:
    ///   - prompt: its tokens follow an `<s>`
    ///   - onPiece: gets each piece of text when it is ready, never an empty one; generation goes on when it returns
    /// - Throws: `InferenceError` (`promptTooLong`, `wrongObjective`, `invalidParameter`, `notANumber`), what `onPiece`
    ///   throws, and `CancellationError` before the next token once the task is cancelled.
    public func generate(
        _ prompt: String, sampling: SamplingOptions = SamplingOptions(),
        onPiece: @Sendable (String) async throws -> Void = { _ in }
    ) async throws -> Generated {
        try require(.clm)
        try sampling.validate()
        let ids = await WorkQueue.texts.run { [self] () throws(Never) in
            [SpecialToken.bos.rawValue] + tokenizer.encode(filtered(prompt))
        }
        let run = try GenerationRun(engine: self, prompt: ids, sampling: sampling)
        while true {
            try Task.checkCancellation()
            let step = try await WorkQueue.models.run { () throws(InferenceError) in try run.advance() }
            if !step.piece.isEmpty { try await onPiece(step.piece) }
            if let result = step.result { return result }
        }
    }
}

/// One generation under way.
private final class GenerationRun: @unchecked Sendable {
    // @unchecked: after `init` it is only touched on `WorkQueue.models`, one step after the other.

    private let engine: InferenceEngine
    private let sampler: Sampler
    private let seed: Int
    private let maximumTokens: Int
    private let promptTokens: Int
    private let cache: KeyValueCache
    /// The prompt and what was generated.
    private var ids: [Int32]
    /// What the model has not seen yet: the whole prompt, later the last token.
    private var pending: [Int32]
    private var assembler: PieceAssembler
    private var text = ""

    struct Step: Sendable {
        let piece: String
        /// Nil while there is more to come.
        let result: Generated?
    }

    init(engine: InferenceEngine, prompt: [Int32], sampling: SamplingOptions) throws(InferenceError) {
        // The last token of a training sample is only ever predicted: its own position was not trained.
        let limit =
            engine.trainingArguments == nil ? engine.configuration.longestSequence : engine.trainedLength - 1
        guard prompt.count <= limit else { throw .promptTooLong(tokens: prompt.count, limit: limit) }
        self.engine = engine
        seed = sampling.seed ?? Int.random(in: 0..<1 << 53)
        sampler = Sampler(options: sampling, seed: seed, mayEmit: engine.mayEmit)
        promptTokens = prompt.count
        maximumTokens = min(sampling.maxNewTokens, limit + 1 - prompt.count)
        // The last token that is generated is not shown to the model any more.
        cache = engine.model.makeKeyValueCache(capacity: prompt.count + maximumTokens - 1)
        ids = prompt
        pending = prompt
        assembler = PieceAssembler(stops: sampling.stop)
    }

    /// Generates one token.
    func advance() throws(InferenceError) -> Step {
        let logits = engine.model.decode(pending, cache: cache)
        let token = try sampler.next(logits: logits, history: ids, step: ids.count - promptTokens)
        if token == SpecialToken.eos.rawValue { return finish(.end, piece: "") }
        ids.append(token)
        pending = [token]
        let piece = assembler.append(engine.tokenizer.decodeBytes([token]))
        if assembler.hasStopped { return finish(.stop, piece: piece) }
        if ids.count - promptTokens == maximumTokens { return finish(.length, piece: piece) }
        text += piece
        return Step(piece: piece, result: nil)
    }

    private func finish(_ reason: FinishReason, piece: String) -> Step {
        let piece = piece + assembler.finish()
        text += piece
        // An unfinished character at the very end can still make a stop string whole.
        return Step(
            piece: piece,
            result: Generated(
                text: text, finishReason: assembler.hasStopped ? .stop : reason, promptTokens: promptTokens,
                generatedTokens: ids.count - promptTokens, seed: seed))
    }
}
