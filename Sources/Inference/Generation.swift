import Conversations
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
    /// The model generated the token `</s>` or a marker of conversations. Generated text that spells one does not end a
    /// generation.
    case end
}

/// The result of a generation.
public struct Generated: Sendable, Equatable {
    /// The concatenated pieces, without the stop string, and without the prompt unless it was requested.
    public internal(set) var text: String
    public let finishReason: FinishReason
    /// Number of tokens of the prompt, including the `<s>` before a text.
    public let promptTokens: Int
    /// Number of generated tokens, without the one that ended the text.
    public let generatedTokens: Int
    /// Number of messages that were left out because the conversation is too long.
    public internal(set) var omittedMessages = 0
    /// The value of `SamplingOptions.seed` that reproduces this text.
    public let seed: Int
    /// The generated tokens, without the one that ended the text.
    let ids: [Int32]
    /// The token that ended the text, if it is not part of it.
    var endToken: Int32?
    /// The tokens of `text` and the one that ended it; nil if they were not requested.
    public internal(set) var tokenScores: [TokenScore]?
}

/// What a generation continues.
public enum GenerationPrompt: Sendable, Equatable {
    /// A text. `<s>` is prepended, and special tokens in it are text.
    ///
    /// The tokens of words begin with the space before them, so that a model has never seen a word after a token that
    /// ends with a space. A space at the end is therefore not read: the first generated token begins with it.
    case text(String)
    /// Tokens, which are read exactly as they are.
    case ids([Int32])
    /// Messages, the last of which is answered.
    case conversation([Conversation.Turn])
}

/// What a generation returns in addition to the generated text.
public struct GenerationOutput: Sendable, Equatable {
    /// Whether the text begins with the prompt.
    public var echoesPrompt: Bool
    /// Number of likely tokens in the place of each token; nil returns no tokens.
    public var logprobs: Int?

    public init(echoesPrompt: Bool = false, logprobs: Int? = nil) {
        self.echoesPrompt = echoesPrompt
        self.logprobs = logprobs
    }
}

extension InferenceEngine {
    /// Continues a text; see below.
    public func generate(
        _ prompt: String, sampling: SamplingOptions = SamplingOptions(), for user: UInt32 = geteuid(),
        onPiece: @Sendable (String) async throws -> Void = { _ in }
    ) async throws -> Generated {
        try await generate(.text(prompt), sampling: sampling, for: user, onPiece: onPiece)
    }

    /// Continues a prompt token by token, together with all other active generations, until one of `FinishReason`
    /// applies.
    /// - Parameters:
    ///   - user: the user whose share of places and turns is charged
    ///   - onPiece: called with each non-empty piece of text; generation continues meanwhile
    /// - Throws: `InferenceError` (`promptTooLong`, `wrongObjective`, `invalidParameter`, `notANumber`), errors thrown
    ///   by `onPiece`, and `CancellationError` before the next token if the task was cancelled
    public func generate(
        _ prompt: GenerationPrompt, sampling: SamplingOptions = SamplingOptions(),
        output: GenerationOutput = GenerationOutput(), for user: UInt32 = geteuid(),
        onPiece: @Sendable (String) async throws -> Void = { _ in }
    ) async throws -> Generated {
        try require(.clm)
        try sampling.validate()
        guard (0...RequestLimits.logprobs).contains(output.logprobs ?? 0) else {
            throw InferenceError.invalidParameter("logprobs", reason: "must be from 0 to \(RequestLimits.logprobs)")
        }
        let prompt = try await read(prompt, maxNewTokens: sampling.maxNewTokens, for: user)
        if output.echoesPrompt, !prompt.text.isEmpty { try await onPiece(prompt.text) }
        var generated = try await generate(prompt, sampling, for: user, onPiece: onPiece)
        if let top = output.logprobs {
            generated.tokenScores = try await tokenScores(
                generated, prompt, echoesPrompt: output.echoesPrompt, top: top, for: user)
        }
        if output.echoesPrompt { generated.text = prompt.text + generated.text }
        generated.omittedMessages = prompt.omittedMessages
        return generated
    }

    private func generate(
        _ prompt: ReadPrompt, _ sampling: SamplingOptions, for user: UInt32,
        onPiece: @Sendable (String) async throws -> Void
    ) async throws -> Generated {
        guard sampling.maxNewTokens > 0 else {
            return Generated(
                text: "", finishReason: .length, promptTokens: prompt.ids.count, generatedTokens: 0,
                seed: sampling.seed ?? 0, ids: [])
        }
        let (steps, output) = AsyncThrowingStream.makeStream(of: GenerationRun.Step.self)
        let run = try GenerationRun(engine: self, prompt: prompt, sampling: sampling, user: user, output: output)
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

    /// A prompt as the model reads it.
    struct ReadPrompt: Sendable {
        var ids: [Int32]
        /// The index in `ids` at which the text begins: after the `<s>` before a text.
        var textStart: Int
        /// The prompt as text.
        var text: String
        /// Whether `text` ends with a space that the first generated token begins with.
        var holdsBackSpace = false
        /// Number of messages that were left out.
        var omittedMessages = 0
    }

    private func read(
        _ prompt: GenerationPrompt, maxNewTokens: Int, for user: UInt32
    ) async throws -> ReadPrompt {
        let limit = longestPrompt
        switch prompt {
        case .text(let text):
            let text = try await filtered(text, specialTokens: .asText, for: user)
            let holdsBackSpace = maxNewTokens > 0 && text.utf8.last == UInt8(ascii: " ") && spaceTokens.contains(true)
            let read = try await self.prompt(
                filtered: holdsBackSpace ? String(text.unicodeScalars.dropLast()) : text, specialTokens: .asText,
                parameter: "prompt", limit: limit, for: user)
            guard read.count <= limit else { throw InferenceError.promptTooLong(tokens: read.count, limit: limit) }
            return ReadPrompt(ids: read.ids, textStart: 1, text: text, holdsBackSpace: holdsBackSpace)
        case .ids(let ids):
            guard ids.count <= limit else { throw InferenceError.promptTooLong(tokens: ids.count, limit: limit) }
            guard !ids.isEmpty else { throw InferenceError.invalidParameter("ids", reason: "must not be empty") }
            for (index, id) in ids.enumerated()
            where !anyID.indices.contains(Int(id)) || tokenizer.token(id) == nil {
                throw InferenceError.invalidParameter(
                    "ids", reason: "element \(index) is \(id), which is not a token id")
            }
            return ReadPrompt(ids: ids, textStart: 0, text: try await detokenize(ids, for: user))
        case .conversation(let turns):
            return try await read(turns, maxNewTokens: maxNewTokens, for: user)
        }
    }

    private func tokenScores(
        _ generated: Generated, _ prompt: ReadPrompt, echoesPrompt: Bool, top: Int, for user: UInt32
    ) async throws -> [TokenScore] {
        var ids = generated.ids
        if generated.finishReason == .stop {
            // Tokens after a stop string are not part of the text.
            let bytes = generated.ids.enumerated().map { index, id in
                tokenizer.decodeBytes([id]).dropFirst(index == 0 && prompt.holdsBackSpace ? 1 : 0)
            }
            ids = Array(ids.prefix(PieceAssembler.countOfParts(bytes, in: generated.text)))
        }
        if let end = generated.endToken { ids.append(end) }
        return try await tokenScores(
            prompt.ids + ids, from: echoesPrompt ? prompt.textStart : prompt.ids.count, textStart: prompt.textStart,
            top: top, for: user)
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
    /// Chooses the first token if it must begin with the space at the end of the prompt.
    private let firstSampler: Sampler?
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
    private var endToken: Int32?

    init(
        engine: InferenceEngine, prompt: InferenceEngine.ReadPrompt, sampling: SamplingOptions, user: UInt32,
        output: AsyncThrowingStream<Step, any Error>.Continuation
    ) throws(InferenceError) {
        let limit = engine.longestPrompt
        guard prompt.ids.count <= limit else { throw .promptTooLong(tokens: prompt.ids.count, limit: limit) }
        self.engine = engine
        self.user = user
        self.output = output
        seed = sampling.seed ?? Int.random(in: 0..<1 << 53)
        sampler = Sampler(options: sampling, seed: seed, allowedTokens: engine.allowedTokens)
        firstSampler =
            prompt.holdsBackSpace
            ? Sampler(options: sampling, seed: seed, allowedTokens: engine.spaceTokens) : nil
        promptTokens = prompt.ids.count
        maximumTokens = min(sampling.maxNewTokens, limit + 1 - prompt.ids.count)
        ids = prompt.ids
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
            let first = ids.count == promptTokens ? firstSampler : nil
            let token = try (first ?? sampler).next(logits: logits, history: ids, step: ids.count - promptTokens)
            if engine.endsText(token) {
                endToken = token
                return finish(.end, piece: "")
            }
            ids.append(token)
            let bytes = engine.tokenizer.decodeBytes([token])
            // The prompt ends with the space that the token begins with.
            let piece = assembler.append(first == nil ? bytes : Array(bytes.dropFirst()))
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
                    generatedTokens: ids.count - promptTokens, seed: seed, ids: Array(ids[promptTokens...]),
                    endToken: endToken)))
        output.finish()
    }
}
