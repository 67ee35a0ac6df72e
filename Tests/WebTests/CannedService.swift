import FoundationEssentials
import Interface
import Logging
import Synchronization
import Varlink
import VarlinkServer

/// A service with canned replies that records the calls it receives.
final class CannedService: Sendable {
    static let receipt = InferenceInterface.Provenance(
        model: "assistant", generation: 3, modelSha256: "0123456789abcdef", seed: 7)
    static let status = ManagerInterface.GetStatus.Reply(
        version: "1.0", uptimeSeconds: 12.5,
        models: [
            .init(
                name: "assistant", objective: .clm, generation: 3, parameters: 5_000_000, bitsPerByte: 1.25,
                state: .idle),
            .init(name: "new \"\\\n", objective: .mlm, state: .training),
        ],
        run: .init(
            id: "assistant-4", model: "assistant", state: .running, step: 5, totalSteps: 10, epoch: 0.5, loss: 4.5),
        queued: [], inboxPending: 2, resources: ["cpu_seconds": 1.5, "peak_rss_bytes": 4096])

    private static let passage = InferenceInterface.Passage(
        corpus: "ab", name: "a.txt", line: 7, offset: 120, before: "of <b>", matched: "pure", after: " reason")
    private static let searchedText = InferenceInterface.SearchedText(
        corpora: 1, bytes: 1000, removed: 2, omitted: 0, complete: true)

    private static func plan(_ model: String) -> ManagerInterface.TrainingPlan {
        .init(
            model: model, numHiddenLayers: 4, hiddenSize: 256, parameters: 5_000_000, numTrainEpochs: 1.5, steps: 900,
            seconds: 3600, memoryBytes: 580_000_000, bitsPerByte: 1.5, uncertainty: 0.25, endsEarly: true)
    }

    private let generated = Mutex<[InferenceInterface.Generate.Parameters]>([])
    private let chatted = Mutex<[InferenceInterface.Chat.Parameters]>([])
    private let embedded = Mutex<[InferenceInterface.Embed.Parameters]>([])
    private let promoted = Mutex<[ManagerInterface.Promote.Parameters]>([])
    private let changed = Mutex<[String]>([])
    var asked: [InferenceInterface.Generate.Parameters] { generated.withLock { $0 } }
    var chats: [InferenceInterface.Chat.Parameters] { chatted.withLock { $0 } }
    var embeddings: [InferenceInterface.Embed.Parameters] { embedded.withLock { $0 } }
    /// The names of the methods called that change something.
    var changes: [String] { changed.withLock { $0 } }
    private let searched = Mutex(0)
    /// Number of calls that show text of the corpora.
    var searches: Int { searched.withLock { $0 } }
    var promotions: [ManagerInterface.Promote.Parameters] { promoted.withLock { $0 } }
    /// Yields once for each cancelled call of Generate with the prompt "for ever".
    let cancelled = AsyncStream.makeStream(of: Void.self)
    private let watchers = Mutex<[Int: AsyncStream<ManagerInterface.Event>.Continuation]>([:])
    let watching = AsyncStream.makeStream(of: Void.self)

    func tell(_ event: ManagerInterface.Event) {
        for watcher in watchers.withLock({ Array($0.values) }) { watcher.yield(event) }
    }

    var varlink: VarlinkService {
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        service.add(interface: InferenceInterface.name, description: InferenceInterface.description)
        service.add(interface: ManagerInterface.name, description: ManagerInterface.description)
        service.handleMore(InferenceInterface.Generate.self, generate)
        service.handleMore(InferenceInterface.Chat.self) { [self] parameters, context, writer in
            chatted.withLock { $0.append(parameters) }
            guard parameters.model != "loose" else { throw InferenceInterface.NoConversations(model: "loose") }
            guard parameters.messages.last?.content != "too long" else {
                throw InferenceInterface.PromptTooLong(tokens: 600, limit: 512)
            }
            if context.more {
                try await writer.send(.init(text: "Over ", model: "assistant"))
                try await writer.send(.init(text: "there.", model: "assistant"))
            }
            try await writer.finish(
                .init(
                    text: context.more ? "" : "Over there.", finishReason: .end, promptTokens: 9, generatedTokens: 3,
                    receipt: Self.receipt, model: "assistant",
                    tokens: parameters.logprobs.map { count in
                        [
                            .init(
                                id: 5, token: "Over", offset: 0, logProbability: -0.5,
                                top: (0..<count).map { .init(id: 6, token: " likely\($0)", logProbability: -0.25) }),
                            .init(id: 7, token: "bytes:e7", offset: 4),
                        ]
                    }, omittedMessages: parameters.messages.count > 5 ? 2 : 0))
        }
        service.handle(InferenceInterface.FillMask.self) { parameters, _ in
            guard parameters.text.contains("<mask>") else { throw InferenceInterface.NoMask(text: parameters.text) }
            guard parameters.text != "<mask> too long" else {
                throw InferenceInterface.PromptTooLong(tokens: 600, limit: 512)
            }
            let filling = InferenceInterface.Filling(
                score: 0.5, token: 9, tokenStr: " <b>", sequence: parameters.text)
            let window = parameters.text.contains("far") ? 12 : nil
            return .init(masks: [.init(fillings: [filling])], windowTokens: window, receipt: Self.receipt)
        }
        service.handle(InferenceInterface.Score.self) { parameters, _ in
            guard parameters.text != "too long" else {
                throw InferenceInterface.PromptTooLong(tokens: 70_000, limit: 65_536)
            }
            let tokens: [InferenceInterface.ScoredToken] = [
                .init(id: 5, token: "<b>", offset: 0, logProbability: -0.5), .init(id: 2, token: "</s>", offset: 3),
            ]
            return .init(
                logLikelihood: -1.5, tokens: 2, bitsPerByte: 0.25, receipt: Self.receipt,
                tokenScores: parameters.tokens == true ? tokens : nil)
        }
        service.handle(InferenceInterface.Trace.self) { [self] parameters, _ in
            searched.withLock { $0 += 1 }
            switch parameters.model {
            case "new":
                throw InferenceInterface.IndexNotReady(bytes: 1_000_000, totalBytes: 4_000_000, retryAfterMs: 500)
            case "off": throw InferenceInterface.TraceDisabled()
            case "guarded": throw VarlinkServiceError.permissionDenied(needs: "root")
            case "imported":
                throw InferenceInterface.NotSearchable(model: "imported", reason: "generation 1 was not trained here")
            default: break
            }
            return .init(
                spans: [.init(offset: 2, length: 4, words: 1, count: 9, passages: [Self.passage])],
                words: 3, verbatimWords: 1, omittedSpans: 0,
                searched: Self.searchedText, receipt: Self.receipt)
        }
        service.handle(InferenceInterface.Find.self) { [self] parameters, _ in
            searched.withLock { $0 += 1 }
            guard parameters.query != "(" else { throw InferenceInterface.InvalidQuery(reason: "‘(’ is not closed") }
            return .init(
                passages: [Self.passage], total: 3,
                counts: [.init(corpus: "ab", name: "a.txt", received: "2026-01-01T00:00:00.000Z", count: 3)], next: "1",
                searched: Self.searchedText, receipt: Self.receipt)
        }
        service.handle(InferenceInterface.Similar.self) { [self] parameters, _ in
            searched.withLock { $0 += 1 }
            let passage = InferenceInterface.SimilarPassage(
                corpus: "ab", name: "a.txt", line: 7, offset: 120, text: parameters.text, score: 0.5)
            return .init(
                byEmbedding: [passage], byWords: [], passages: 9, isSample: true, isCut: false,
                searched: Self.searchedText, receipt: Self.receipt)
        }
        service.handle(InferenceInterface.Embed.self) { [self] parameters, _ in
            embedded.withLock { $0.append(parameters) }
            guard !parameters.texts.contains("too long") else {
                throw InferenceInterface.PromptTooLong(tokens: 600, limit: 512)
            }
            return .init(
                embeddings: parameters.texts.map { .init(embedding: [0.1, -2e-9], tokens: 2 + $0.utf8.count) },
                receipt: Self.receipt)
        }
        service.handle(ManagerInterface.GetStatus.self) { _, _ in Self.status }
        service.handle(ManagerInterface.ListModels.self) { _, _ in .init(models: Self.status.models) }
        service.handle(ManagerInterface.ListRuns.self) { _, _ in .init(runs: []) }
        service.handle(ManagerInterface.ListGenerations.self) { parameters, _ in
            // One generation per page: the serving one is on the second.
            let number = parameters.after == "second" ? 3 : 4
            return .init(
                generations: [
                    .init(
                        model: parameters.model, number: number, run: "assistant-\(number)", state: .serving,
                        modelSha256: "ab", created: "2026-01-0\(number)T00:00:00.000Z")
                ], next: number == 4 ? "second" : nil)
        }
        service.handle(ManagerInterface.ListCorpora.self) { parameters, _ in
            // Returns the requested parameters as the corpus's name.
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let asked = String(decoding: try encoder.encode(parameters), as: UTF8.self)
            let corpus = ManagerInterface.Corpus(
                sha256: "", name: asked, bytes: 1, documents: 0, state: .rejected, reason: "is empty",
                received: "2026-01-01T00:00:00.000Z", models: [], encoding: "UTF-16", format: "HTML",
                warnings: ["3 bytes were <b>replaced</b>"])
            return .init(
                corpora: [corpus], next: "8",
                counts: .init(admitted: 0, duplicate: 0, rejected: 9, removed: 0, setAside: 0))
        }
        service.handle(ManagerInterface.GetMetrics.self) { _, _ in .init(steps: [], evaluations: []) }
        service.handle(ManagerInterface.PlanTraining.self) { parameters, _ in
            guard parameters.model != "none" else {
                throw ManagerInterface.ModelNotFound(model: "none", available: ["assistant"])
            }
            return .init(plans: [parameters.model].compactMap { $0 }.map(Self.plan) + [Self.plan("other")])
        }
        service.handle(ManagerInterface.Train.self) { [self] _, _ in
            changed.withLock { $0.append("Train") }
            return .init(runs: ["assistant-5"])
        }
        service.handle(ManagerInterface.CancelRun.self) { [self] _, _ in
            changed.withLock { $0.append("CancelRun") }
            return .init()
        }
        service.handle(ManagerInterface.GetSettings.self) { _, _ in
            .init(settings: [.init(key: "inbox.stable", value: "2s", source: .default, awaitsRestart: false)])
        }
        service.handle(ManagerInterface.Pause.self) { [self] _, _ in
            changed.withLock { $0.append("Pause") }
            return .init(models: ["assistant"], run: "assistant-1")
        }
        service.handle(ManagerInterface.Resume.self) { [self] _, _ in
            changed.withLock { $0.append("Resume") }
            return .init(models: ["assistant"])
        }
        service.handle(ManagerInterface.RemoveCorpus.self) { [self] _, _ in
            changed.withLock { $0.append("RemoveCorpus") }
            return .init()
        }
        service.handle(ManagerInterface.RemoveGeneration.self) { [self] _, _ in
            changed.withLock { $0.append("RemoveGeneration") }
            return .init()
        }
        service.handle(ManagerInterface.DescribeRun.self) { parameters, _ in
            .init(
                settings: ["recipe": .object(["seed": 1])], text: "text: <b>",
                corpora: [.init(sha256: "ab", name: "a.txt", bytes: 5)], corporaCount: 1, corporaBytes: 5)
        }
        service.handle(ManagerInterface.PreviewCorpus.self) { _, _ in .init(text: "a <b>\u{1B}", bytes: 7) }
        service.handleMore(ManagerInterface.Export.self) { parameters, _, writer in
            try await CannedExport().send(parameters.generation ?? 3, writer)
        }
        service.handle(ManagerInterface.Promote.self) { [self] parameters, _ in
            changed.withLock { $0.append("Promote") }
            guard parameters.model != "forbidden" else { throw VarlinkServiceError.permissionDenied(needs: "root") }
            promoted.withLock { $0.append(parameters) }
            return .init()
        }
        service.handleSubscription(ManagerInterface.Watch.self) { [self] _, _, writer in
            let (events, continuation) = AsyncStream.makeStream(of: ManagerInterface.Event.self)
            watchers.withLock { $0[$0.count] = continuation }
            watching.continuation.yield()
            for await event in events { try await writer.send(.init(event: event)) }
        }
        return service
    }

    private func generate(
        _ parameters: InferenceInterface.Generate.Parameters, _ context: CallContext,
        _ writer: ReplyWriter<InferenceInterface.Generate.Reply>
    ) async throws {
        generated.withLock { $0.append(parameters) }
        switch parameters.model {
        case "none": throw InferenceInterface.ModelNotFound(model: "none", available: ["assistant"])
        case "untrained": throw InferenceInterface.NoGeneration(model: "untrained", state: "training is queued")
        case "busy": throw InferenceInterface.Overloaded(retryAfterMs: 1500)
        case "masked": throw VarlinkServiceError.invalidParameter(parameter: "model")
        default: break
        }
        if parameters.ids == [7, 9] { throw VarlinkServiceError.invalidParameter(parameter: "ids") }
        if parameters.prompt == "too long" { throw InferenceInterface.PromptTooLong(tokens: 600, limit: 512) }
        if parameters.sampling?.minP == 0.75 { throw VarlinkServiceError.invalidParameter(parameter: "sampling.min_p") }
        if parameters.sampling?.topP == 2 { throw VarlinkServiceError.invalidParameter(parameter: "sampling.top_p") }
        if parameters.prompt == "for ever" {
            if context.more { try await writer.send(.init(text: "and")) }
            do {
                try await Task.sleep(for: .seconds(3600))
            } catch {
                cancelled.continuation.yield()
                throw error
            }
        }
        if parameters.prompt == "large" {
            return try await writer.finish(.init(text: String(repeating: "x", count: 3 << 20), receipt: Self.receipt))
        }
        if context.more {
            try await writer.send(.init(text: " the\n", model: "assistant"))
            try await writer.send(.init(text: "us\u{e9}r"))
        }
        try await writer.finish(
            .init(
                text: context.more ? "" : " the\nus\u{e9}r", finishReason: parameters.prompt == "long" ? .length : .end,
                promptTokens: 4, generatedTokens: 2, receipt: Self.receipt,
                tokens: parameters.logprobs.map { Self.tokens(parameters, count: $0) }))
    }

    /// Two tokens of the prompt, if it is echoed, and two that were generated.
    private static func tokens(
        _ parameters: InferenceInterface.Generate.Parameters, count: Int
    ) -> [InferenceInterface.ScoredToken] {
        let likely = (0..<count).map {
            InferenceInterface.TokenProbability(id: 90 + $0, token: " likely\($0)", logProbability: -0.25)
        }
        let all: [InferenceInterface.ScoredToken] = [
            .init(id: 5, token: "I", offset: 0, logProbability: parameters.ids == nil ? -3 : nil),
            .init(id: 6, token: " am", offset: 1, logProbability: -0.5, top: likely),
            .init(id: 90, token: " likely0", offset: 4, logProbability: -0.25, top: likely),
            .init(id: 7, token: #"bytes:\xc3"#, offset: 12, logProbability: -1.5, top: likely),
        ]
        return parameters.echo == true ? all : Array(all.dropFirst(2))
    }
}
