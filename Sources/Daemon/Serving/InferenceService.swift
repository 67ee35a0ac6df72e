import Conversations
import Inference
import Interface
import Jobs
import Settings
import Synchronization
import Varlink
import VarlinkServer

/// Implements `io.kantaibert.Inference`: finds the model a request refers to, calls its engine, and translates errors to those
/// of the interface.
public struct InferenceService: Sendable {
    private let live: ReloadableSettings
    var models: [ModelSettings] { live.current.models }
    private var defaults: ServingSettings { live.current.serving }
    let registry: ModelRegistry
    private let admission: RequestLimiter
    /// Explains why a model has no generation, and what the service is doing about it.
    private let state: @Sendable (_ model: String) async -> String
    /// Reads lines of the corpora; nil if there are none.
    package var reviews: CorpusReviews?
    /// Answers questions about the corpora; nil if there are none.
    package var questions: CorpusQuestions?
    /// The embeddings of the corpora; nil if there are none.
    package var passages: PassageFiles?

    public init(
        settings: ReloadableSettings, registry: ModelRegistry,
        state: @escaping @Sendable (_ model: String) async -> String
    ) {
        live = settings
        self.registry = registry
        let serving = settings.current.serving
        admission = RequestLimiter(
            limit: serving.maxConcurrentRequests, limitOfUser: serving.concurrentRequestsPerUser)
        self.state = state
    }

    public func register(with service: inout VarlinkService) {
        service.add(interface: InferenceInterface.name, description: InferenceInterface.description)
        service.handle(
            InferenceInterface.FillMask.self,
            replyBytes: { reply in
                reply.masks.reduce(0) { $0 + $1.fillings.count * (128 + ($1.fillings.first?.sequence.utf8.count ?? 0)) }
            }
        ) { parameters, context in
            try await answer(context) { user in try await fillMask(parameters, for: user) }
        }
        service.handleMore(InferenceInterface.Generate.self) { parameters, context, writer in
            try await answer(context) { user in try await generate(parameters, for: user, context, writer) }
        }
        service.handleMore(InferenceInterface.Chat.self) { parameters, context, writer in
            try await answer(context) { user in try await chat(parameters, for: user, context, writer) }
        }
        service.handle(
            InferenceInterface.Score.self,
            replyBytes: { ($0.tokenScores?.count ?? 0) * RequestLimits.bytesOfScoredToken }
        ) { parameters, context in
            // In the worst case every byte is a token.
            let tokens = parameters.tokens == true ? min(parameters.text.utf8.count + 1, RequestLimits.scoredTokens) : 0
            try reserve(tokens * RequestLimits.bytesOfScoredToken, context)
            return try await answer(context) { user in try await score(parameters, for: user) }
        }
        service.handle(
            InferenceInterface.Embed.self,
            replyBytes: { ($0.embeddings.first?.embedding.count ?? 0) * $0.embeddings.count * 24 }
        ) { parameters, context in
            try await answer(context) { user in try await embed(parameters, for: user, context) }
        }
        service.handle(InferenceInterface.Tokenize.self, replyBytes: { $0.ids.count * 16 }) { parameters, context in
            // In the worst case every byte is a token.
            try reserve(min(parameters.text.utf8.count, RequestLimits.tokens) * RequestLimits.bytesOfToken, context)
            return try await answer(context) { user in try await tokenize(parameters, for: user) }
        }
        service.handle(InferenceInterface.Detokenize.self, replyBytes: { $0.text.utf8.count }) {
            parameters, context in
            try await answer(context) { user in try await detokenize(parameters, for: user) }
        }
        if let reviews { registerReview(reviews, with: &service) }
        if let questions { registerSearch(questions, with: &service) }
        if let questions, let passages { registerSimilar(SimilarPassages(questions, passages), with: &service) }
    }

    /// Admits a request and translates its errors to those of the interface.
    func answer<Value>(
        _ context: CallContext, _ body: (_ user: UInt32) async throws -> Value
    ) async throws -> Value {
        let user = context.peer.uid
        return try await interfaceErrors { try await admission.admit(for: user) { try await body(user) } }
    }

    private func fillMask(_ parameters: InferenceInterface.FillMask.Parameters, for user: UInt32) async throws
        -> InferenceInterface.FillMask.Reply
    {
        let model = try await model(parameters.model, objective: .mlm)
        let predictions = try await model.engine.fillMask(
            parameters.text, topK: parameters.topK ?? defaults.fillings, targets: parameters.targets, for: user)
        return .init(
            masks: predictions.masks.map { fillings in
                .init(
                    fillings: fillings.map {
                        .init(
                            score: $0.score, token: Int($0.token), tokenStr: $0.tokenString, sequence: $0.sequence)
                    })
            }, windowTokens: predictions.windowTokens, receipt: receipt(model))
    }

    /// If the caller accepts more than one reply, the text is sent in pieces, and the last reply has no text.
    private func generate(
        _ parameters: InferenceInterface.Generate.Parameters, for user: UInt32, _ context: CallContext,
        _ writer: ReplyWriter<InferenceInterface.Generate.Reply>
    ) async throws {
        let streams = context.more
        let model = try await model(parameters.model, objective: .clm)
        let output = GenerationOutput(echoesPrompt: parameters.echo ?? false, logprobs: parameters.logprobs)
        try reserve(logprobs: parameters.logprobs, of: model, context)
        let isFirst = Mutex(true)
        let made = try await model.engine.generate(
            try prompt(parameters), sampling: sampling(parameters.sampling), output: output, for: user
        ) { piece in
            guard streams else { return }
            let name = isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst ? model.name : nil
            }
            try await writer.send(InferenceInterface.Generate.Reply(text: piece, model: name))
        }
        try await writer.finish(
            InferenceInterface.Generate.Reply(
                text: streams ? "" : made.text, finishReason: reason(made.finishReason),
                promptTokens: made.promptTokens, generatedTokens: made.generatedTokens,
                receipt: receipt(model, seed: made.seed), model: model.name,
                tokens: made.tokenScores.map(scoredTokens)))
    }

    /// If the caller accepts more than one reply, the text is sent in pieces, and the last reply has no text.
    private func chat(
        _ parameters: InferenceInterface.Chat.Parameters, for user: UInt32, _ context: CallContext,
        _ writer: ReplyWriter<InferenceInterface.Chat.Reply>
    ) async throws {
        let model = try await conversationModel(parameters.model)
        try reserve(logprobs: parameters.logprobs, of: model, context)
        let turns = parameters.messages.map { message in
            let role: Conversation.Role =
                switch message.role {
                case .system: .system
                case .user: .user
                case .assistant: .assistant
                }
            return Conversation.Turn(role, message.content)
        }
        let made = try await model.engine.generate(
            .conversation(turns), sampling: sampling(parameters.sampling),
            output: GenerationOutput(logprobs: parameters.logprobs), for: user
        ) { piece in
            if context.more { try await writer.send(InferenceInterface.Chat.Reply(text: piece, model: model.name)) }
        }
        let reason: InferenceInterface.Chat.Reply.FinishReason =
            switch made.finishReason {
            case .stop: .stop
            case .length: .length
            case .end: .end
            }
        try await writer.finish(
            InferenceInterface.Chat.Reply(
                text: context.more ? "" : made.text, finishReason: reason, promptTokens: made.promptTokens,
                generatedTokens: made.generatedTokens, receipt: receipt(model, seed: made.seed), model: model.name,
                tokens: made.tokenScores.map(scoredTokens), omittedMessages: made.omittedMessages))
    }

    /// Returns the named model, or the first one that was trained on conversations.
    private func conversationModel(_ name: String?) async throws -> ServingModel {
        if name == nil {
            for settings in models where settings.objective == .clm {
                if let model = await registry.model(settings.name), model.engine.hasConversations { return model }
            }
        }
        let model = try await model(name, objective: .clm)
        guard model.engine.hasConversations else { throw InferenceInterface.NoConversations(model: model.name) }
        return model
    }

    private func reserve(logprobs: Int?, of model: ServingModel, _ context: CallContext) throws {
        guard let logprobs else { return }
        let entries = model.engine.longestSequence * (min(max(0, logprobs), RequestLimits.logprobs) + 1)
        try reserve(entries * RequestLimits.bytesOfScoredToken, context)
    }

    /// Takes memory for a reply from the user's share.
    func reserve(_ bytes: Int, _ context: CallContext) throws {
        guard context.reserve(bytes) else { throw InferenceInterface.Overloaded(retryAfterMs: 1000) }
    }

    private func prompt(_ parameters: InferenceInterface.Generate.Parameters) throws -> GenerationPrompt {
        guard let ids = parameters.ids else { return .text(parameters.prompt) }
        guard parameters.prompt.isEmpty else { throw VarlinkServiceError.invalidParameter(parameter: "prompt") }
        return .ids(try tokenIDs(ids))
    }

    private func tokenIDs(_ ids: [Int]) throws -> [Int32] {
        let narrow = ids.compactMap(Int32.init(exactly:))
        guard narrow.count == ids.count else { throw VarlinkServiceError.invalidParameter(parameter: "ids") }
        return narrow
    }

    private func scoredTokens(_ scores: [TokenScore]) -> [InferenceInterface.ScoredToken] {
        scores.map { score in
            .init(
                id: Int(score.id), token: score.text, offset: score.offset, logProbability: score.logProbability,
                top: score.top?.map { .init(id: Int($0.id), token: $0.text, logProbability: $0.logProbability) })
        }
    }

    private func score(_ parameters: InferenceInterface.Score.Parameters, for user: UInt32) async throws
        -> InferenceInterface.Score.Reply
    {
        let model = try await model(parameters.model)
        let score = try await model.engine.score(
            parameters.text, listsTokens: parameters.tokens ?? false, for: user)
        return .init(
            logLikelihood: score.logLikelihood, tokens: score.tokens, bitsPerByte: score.bitsPerByte,
            receipt: receipt(model), tokenScores: score.tokenScores.map(scoredTokens))
    }

    private func embed(
        _ parameters: InferenceInterface.Embed.Parameters, for user: UInt32, _ context: CallContext
    ) async throws -> InferenceInterface.Embed.Reply {
        let model = try await model(parameters.model)
        let (numbers, isTooLarge) = parameters.texts.count.multipliedReportingOverflow(
            by: model.engine.embeddingSize)
        guard !isTooLarge, numbers <= RequestLimits.embeddingNumbers else {
            throw VarlinkServiceError.invalidParameter(parameter: "texts")
        }
        try reserve(numbers * RequestLimits.bytesOfEmbeddingNumber, context)
        let embeddings = try await model.engine.embed(parameters.texts, for: user)
        return .init(
            embeddings: embeddings.map { .init(embedding: $0.vector.map(Double.init), tokens: $0.tokens) },
            receipt: receipt(model))
    }

    private func tokenize(_ parameters: InferenceInterface.Tokenize.Parameters, for user: UInt32) async throws
        -> InferenceInterface.Tokenize.Reply
    {
        let model = try await model(parameters.model)
        let (ids, tokens) = try await model.engine.tokenize(parameters.text, for: user)
        return .init(ids: ids.map(Int.init), tokens: tokens, model: model.name, generation: model.generation)
    }

    private func detokenize(_ parameters: InferenceInterface.Detokenize.Parameters, for user: UInt32) async throws
        -> InferenceInterface.Detokenize.Reply
    {
        let model = try await model(parameters.model)
        return .init(text: try await model.engine.detokenize(try tokenIDs(parameters.ids), for: user))
    }

    /// Returns the generation a request refers to.
    /// - Parameters:
    ///   - name: nil selects the first model with `objective`, or else the first model
    ///   - objective: the objective the model must have been trained for; nil accepts both
    func model(_ name: String?, objective: Objective? = nil) async throws -> ServingModel {
        guard
            let settings = models.first(where: {
                name == nil ? objective == nil || $0.objective == objective : $0.name == name
            })
        else {
            guard let name else { throw VarlinkServiceError.invalidParameter(parameter: "model") }
            throw InferenceInterface.ModelNotFound(model: name, available: models.map(\.name))
        }
        guard objective == nil || settings.objective == objective else {
            throw VarlinkServiceError.invalidParameter(parameter: "model")
        }
        guard let model = await registry.model(settings.name) else {
            throw InferenceInterface.NoGeneration(model: settings.name, state: await state(settings.name))
        }
        return model
    }

    private func sampling(_ asked: InferenceInterface.Sampling?) -> SamplingOptions {
        SamplingOptions(
            maxNewTokens: asked?.maxNewTokens ?? defaults.maxNewTokens,
            temperature: asked?.temperature ?? defaults.temperature, topK: asked?.topK ?? defaults.topK,
            topP: asked?.topP ?? defaults.topP, minP: asked?.minP ?? defaults.minP,
            repetitionPenalty: asked?.repetitionPenalty ?? defaults.repetitionPenalty, stop: asked?.stop ?? [],
            seed: asked?.seed)
    }

    func receipt(_ model: ServingModel, seed: Int = 0) -> InferenceInterface.Provenance {
        .init(
            model: model.name, generation: model.generation, modelSha256: model.engine.modelSHA256, seed: seed)
    }

    private func reason(_ reason: FinishReason) -> InferenceInterface.Generate.Reply.FinishReason {
        switch reason {
        case .stop: .stop
        case .length: .length
        case .end: .end
        }
    }
}

/// Translates errors of the engine to those of the interface. Others are passed on unchanged, and reported as internal errors.
func interfaceErrors<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as InferenceError {
        switch error {
        case .noMask(let text): throw InferenceInterface.NoMask(text: text)
        case .promptTooLong(let tokens, let limit): throw InferenceInterface.PromptTooLong(tokens: tokens, limit: limit)
        case .wrongObjective: throw VarlinkServiceError.invalidParameter(parameter: "model")
        case .overloaded(let milliseconds): throw InferenceInterface.Overloaded(retryAfterMs: milliseconds)
        case .invalidParameter(let name, _): throw VarlinkServiceError.invalidParameter(parameter: name)
        case .noConversations, .notANumber, .load: throw error
        }
    }
}
