import Inference
import Interface
import Jobs
import Varlink
import VarlinkServer

/// Answers `io.kantaibert.Inference`: finds the model a request means, asks its engine, and says in the interface's
/// words what went wrong.
public struct InferenceService: Sendable {
    private let live: LiveSettings
    private var models: [ModelSettings] { live.current.models }
    private var defaults: ServingSettings { live.current.serving }
    private let registry: ModelRegistry
    private let admission: Admission
    /// What the service is doing about a model that has no generation.
    private let state: @Sendable (_ model: String) async -> String

    public init(
        settings: LiveSettings, registry: ModelRegistry,
        state: @escaping @Sendable (_ model: String) async -> String
    ) {
        live = settings
        self.registry = registry
        admission = Admission(limit: settings.current.serving.maxConcurrentRequests)
        self.state = state
    }

    public func register(with service: inout VarlinkService) {
        service.add(interface: InferenceInterface.name, description: InferenceInterface.description)
        service.handle(InferenceInterface.FillMask.self) { parameters, _ in
            try await interfaceErrors { try await admission.admit { try await fillMask(parameters) } }
        }
        service.handleMore(InferenceInterface.Generate.self) { parameters, context, writer in
            try await interfaceErrors {
                try await admission.admit { try await generate(parameters, streams: context.more, writer) }
            }
        }
        service.handle(InferenceInterface.Score.self) { parameters, _ in
            try await interfaceErrors { try await admission.admit { try await score(parameters) } }
        }
        service.handle(InferenceInterface.Tokenize.self) { parameters, _ in
            try await interfaceErrors { try await admission.admit { try await tokenize(parameters) } }
        }
        service.handle(InferenceInterface.Detokenize.self) { parameters, _ in
            try await interfaceErrors { try await admission.admit { try await detokenize(parameters) } }
        }
    }

    private func fillMask(_ parameters: InferenceInterface.FillMask.Parameters) async throws
        -> InferenceInterface.FillMask.Reply
    {
        let model = try await model(parameters.model, objective: .mlm)
        let masks = try await model.engine.fillMask(
            parameters.text, topK: parameters.topK ?? defaults.fillings, targets: parameters.targets)
        return .init(
            masks: masks.map { fillings in
                .init(
                    fillings: fillings.map {
                        .init(
                            score: $0.score, token: Int($0.token), tokenStr: $0.tokenString, sequence: $0.sequence)
                    })
            }, receipt: receipt(model))
    }

    /// - Parameter streams: the text goes piece by piece, and the last reply has none of it
    private func generate(
        _ parameters: InferenceInterface.Generate.Parameters, streams: Bool,
        _ writer: ReplyWriter<InferenceInterface.Generate.Reply>
    ) async throws {
        let model = try await model(parameters.model, objective: .clm)
        let made = try await model.engine.generate(parameters.prompt, sampling: sampling(parameters.sampling)) {
            piece in
            if streams { try await writer.send(InferenceInterface.Generate.Reply(text: piece)) }
        }
        try await writer.finish(
            InferenceInterface.Generate.Reply(
                text: streams ? "" : made.text, finishReason: reason(made.finishReason),
                promptTokens: made.promptTokens, generatedTokens: made.generatedTokens,
                receipt: receipt(model, seed: made.seed)))
    }

    private func score(_ parameters: InferenceInterface.Score.Parameters) async throws
        -> InferenceInterface.Score.Reply
    {
        let model = try await model(parameters.model)
        let score = try await model.engine.score(parameters.text)
        return .init(
            logLikelihood: score.logLikelihood, tokens: score.tokens, bitsPerByte: score.bitsPerByte,
            receipt: receipt(model))
    }

    private func tokenize(_ parameters: InferenceInterface.Tokenize.Parameters) async throws
        -> InferenceInterface.Tokenize.Reply
    {
        let (ids, tokens) = try await model(parameters.model).engine.tokenize(parameters.text)
        return .init(ids: ids.map(Int.init), tokens: tokens)
    }

    private func detokenize(_ parameters: InferenceInterface.Detokenize.Parameters) async throws
        -> InferenceInterface.Detokenize.Reply
    {
        let model = try await model(parameters.model)
        let ids = parameters.ids.compactMap(Int32.init(exactly:))
        guard ids.count == parameters.ids.count else { throw VarlinkServiceError.invalidParameter(parameter: "ids") }
        return .init(text: try model.engine.detokenize(ids))
    }

    /// The generation a request means.
    /// - Parameters:
    ///   - name: absent: the first model of `objective`, or the first of all
    ///   - objective: what the model must have been trained for; nil where either will do
    private func model(_ name: String?, objective: Objective? = nil) async throws -> ServingModel {
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

    private func receipt(_ model: ServingModel, seed: Int = 0) -> InferenceInterface.Receipt {
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

/// The engine's errors in the interface's words. What the interface has no word for stays as it is and is the service's
/// own fault.
private func interfaceErrors<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as InferenceError {
        switch error {
        case .noMask(let text): throw InferenceInterface.NoMask(text: text)
        case .promptTooLong(let tokens, let limit): throw InferenceInterface.PromptTooLong(tokens: tokens, limit: limit)
        case .wrongObjective: throw VarlinkServiceError.invalidParameter(parameter: "model")
        case .overloaded(let milliseconds): throw InferenceInterface.Overloaded(retryAfterMs: milliseconds)
        case .invalidParameter(let name, _): throw VarlinkServiceError.invalidParameter(parameter: name)
        case .notANumber, .load: throw error
        }
    }
}
