import Jobs
import Models
import Tokenizers

/// The ids of the text of a request, computed part by part, each in a step on `WorkQueue.texts`.
struct TextIDs: Sendable {
    private let parameter: String
    private let user: UInt32
    private var stream: TokenStream

    /// - Parameters:
    ///   - specialTokens: how special tokens that occur in the text are encoded
    ///   - parameter: the name of the text in the interface, for errors
    init(
        _ engine: InferenceEngine, _ text: String, specialTokens: SpecialTokensInText, parameter: String,
        for user: UInt32
    ) {
        self.parameter = parameter
        self.user = user
        stream = TokenStream(engine.tokenizer, text, specialTokens: specialTokens)
    }

    /// - Returns: the ids of the next part, or nil at the end
    /// - Throws: `InferenceError.invalidParameter`; `CancellationError` if the task was cancelled
    mutating func next() async throws -> [Int32]? {
        try Task.checkCancellation()
        do throws(TokenStream.WordTooLong) {
            let (ids, rest) = try await WorkQueue.texts.run(for: .user(user), cost: stream.nextBytes) {
                [stream] () throws(TokenStream.WordTooLong) in
                var stream = stream
                return (try stream.next(), stream)
            }
            stream = rest
            return ids
        } catch {
            throw InferenceError.invalidParameter(parameter, reason: "\(error)")
        }
    }
}

extension InferenceEngine {
    /// Applies the text filters that were applied to the corpora in training.
    /// - Parameter specialTokens: the special tokens in the text that are left unchanged, because they are not text
    func filtered(
        _ text: String, specialTokens: SpecialTokensInText, for user: UInt32
    ) async throws -> String {
        guard filtersTexts else { return text }
        try Task.checkCancellation()
        return await WorkQueue.texts.run(for: .user(user), cost: text.utf8.count) { [self] () throws(Never) in
            filtered(text, specialTokens: specialTokens)
        }
    }

    /// The ids of a prompt after `<s>`. All tokens are counted, but only as many as the model supports are kept.
    struct Prompt: Sendable {
        var ids: [Int32] = [SpecialToken.bos.rawValue]
        var count = 1
        var hasMask = false
    }

    /// - Parameters:
    ///   - specialTokens: how special tokens that occur in the text are encoded
    ///   - limit: maximum number of ids to keep
    func prompt(
        _ text: String, specialTokens: SpecialTokensInText, parameter: String, limit: Int, for user: UInt32
    ) async throws -> Prompt {
        let text = try await filtered(text, specialTokens: specialTokens, for: user)
        return try await prompt(
            filtered: text, specialTokens: specialTokens, parameter: parameter, limit: limit, for: user)
    }

    /// - Parameter text: a text to which the filters were applied
    func prompt(
        filtered text: String, specialTokens: SpecialTokensInText, parameter: String, limit: Int, for user: UInt32
    ) async throws -> Prompt {
        var prompt = Prompt()
        var parts = TextIDs(self, text, specialTokens: specialTokens, parameter: parameter, for: user)
        while let ids = try await parts.next() {
            prompt.count += ids.count
            prompt.hasMask = prompt.hasMask || ids.contains(SpecialToken.mask.rawValue)
            prompt.ids += ids.prefix(max(0, limit - prompt.ids.count))
        }
        return prompt
    }
}
