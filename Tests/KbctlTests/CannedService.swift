import FoundationEssentials
import Glibc
import Interface
import Logging
import Synchronization
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// A service with canned replies, to test what kbctl prints.
enum Canned {
    static let precisionReason =
        "the fastest within 0.1 % of float32's 1.932 bits per byte on held-out text: -0.003 % in bfloat16, -0.036 % in int8"
    static let rejection =
        "2.104 bits per byte on held-out text, 1.931 for generation 3: 9.0 % more, 2.0 % allowed (promotion.tolerance)"
    static let receipt = InferenceInterface.Provenance(model: "kantaibert", generation: 3, modelSha256: "ab", seed: 7)
    static let models = [
        ManagerInterface.Model(
            name: "kantaibert", objective: .mlm, generation: 3, parameters: 83_504_416, vocabSize: 52_000,
            bitsPerByte: 1.9312, evaluationLoss: 5.61234, state: .idle),
        ManagerInterface.Model(name: "assistant", objective: .clm, state: .training),
    ]
    /// A model that replies, in front of others.
    static let helper = ManagerInterface.Model(
        name: "helper", objective: .clm, generation: 1, state: .idle, conversations: true)
    static let run = ManagerInterface.Run(
        id: "assistant-1", model: "assistant", state: .running, step: 218, totalSteps: 3216, epoch: 0.07, loss: 5.4321,
        tokensPerSecond: 1812.4, remainingSeconds: 1179)

    /// Without a limit, and for a night that is too short.
    static let plans = [
        ManagerInterface.TrainingPlan(
            model: "kantaibert", numHiddenLayers: 12, hiddenSize: 768, parameters: 125_504_416, numTrainEpochs: 20,
            steps: 1_234_567, seconds: 183_600, memoryBytes: 2_508_070_656, bitsPerByte: 1.1234, uncertainty: 0.05,
            endsEarly: false),
        ManagerInterface.TrainingPlan(
            model: "kantaibert", maxSeconds: 29_100, numHiddenLayers: 6, hiddenSize: 384, parameters: 13_504_416,
            numTrainEpochs: 1.5, steps: 34_567, seconds: 29_100, memoryBytes: 716_070_656, bitsPerByte: 1.3456,
            uncertainty: 0.05, endsEarly: true),
    ]

    /// 100 steps, the last of them evaluated.
    static let metrics = ManagerInterface.GetMetrics.Reply(
        steps: (1...100).map { step in
            .init(
                step: step, epoch: Double(step) / 50, loss: 7 - Double(step - 1) / 99, learningRate: 1e-3,
                gradientNorm: 0.5, tokens: 900, tokensPerSecond: 1800, time: "2026-01-01T12:00:00.000Z", mfu: 0.5)
        },
        evaluations: [
            .init(
                step: 100, loss: 6.4, perplexity: 601.8, accuracy: 0.1, bitsPerByte: 2.5,
                time: "2026-01-01T12:00:00.000Z")
        ])

    /// Statuses with a run in progress, and once its events were sent, an idle service.
    static var untilServed: [ManagerInterface.GetStatus.Reply] {
        var served = models
        served[1].state = .idle
        served[1].generation = 1
        return [status(), status(models: served, run: nil, inboxPending: 0)]
    }

    static func event(_ step: Int) -> ManagerInterface.Watch.Reply {
        .init(
            event: .init(
                kind: "step", level: .info, message: "assistant-1: step \(step)", model: "assistant",
                run: "assistant-1",
                fields: [
                    "step": .int(step), "total_steps": 3216, "epoch": 0.07, "loss": 5.25, "tokens_per_second": 1800.5,
                    "remaining_seconds": 65, "log": true,
                ], time: "2026-01-01T12:00:00.000Z"))
    }

    /// The end of a run, by an event of a kind that this version of kbctl does not know.
    private static func end(of run: String, _ state: ManagerInterface.RunState) -> ManagerInterface.Watch.Reply {
        .init(
            event: .init(
                kind: "run_postponed", level: .notice, message: "\(run) has ended", run: run, runState: state,
                fields: [:], time: "2026-01-01T12:00:00.000Z"))
    }

    /// - Parameters:
    ///   - statuses: replies of GetStatus: the first until the events were sent, then one after another; the
    ///   last is repeated
    ///   - conversations: whether there is a model that was trained on conversations
    static func service(statuses: [ManagerInterface.GetStatus.Reply], conversations: Bool = false) -> VarlinkService {
        let left = StatusQueue(statuses)
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        service.add(interface: InferenceInterface.name, description: InferenceInterface.description)
        service.add(interface: ManagerInterface.name, description: ManagerInterface.description)
        service.handleMore(InferenceInterface.Generate.self) { parameters, context, writer in
            guard parameters.model != "none" else {
                throw InferenceInterface.ModelNotFound(model: "none", available: ["kantaibert", "assistant"])
            }
            guard parameters.model != "kantaibert" else {
                throw VarlinkServiceError.invalidParameter(parameter: "model")
            }
            guard parameters.model != "new" else {
                throw InferenceInterface.NoGeneration(model: "new", state: "training is queued")
            }
            if parameters.prompt.hasSuffix("slow") {
                try await writer.send(.init(text: "still"))
                try await Task.sleep(for: .seconds(3600))
            }
            if parameters.prompt.contains("long") {
                // Words that span two pieces, or never end.
                for piece in ["A critique of pu", "re reason, which is long enough for", " any scr", "een; 理性理性理性"] {
                    try await writer.send(.init(text: piece))
                }
                try await writer.send(.init(text: String(repeating: "endless", count: 30)))
                return try await writer.finish(.init(text: ".", finishReason: .stop, receipt: receipt))
            }
            if parameters.prompt.contains("echo") {
                return try await writer.finish(
                    .init(text: "[\(parameters.prompt)]", finishReason: .end, receipt: receipt))
            }
            if context.more {
                try await writer.send(.init(text: " the\u{1B}[2J"))
                try await writer.send(.init(text: " user"))
                try await writer.finish(.init(text: ".", finishReason: .stop, receipt: receipt))
            } else {
                try await writer.finish(
                    .init(
                        text: " the user.", finishReason: .stop, promptTokens: 4,
                        generatedTokens: parameters.sampling?.maxNewTokens, receipt: receipt))
            }
        }
        service.handleMore(InferenceInterface.Chat.self) { parameters, context, writer in
            guard parameters.model == "helper" else {
                throw InferenceInterface.NoConversations(model: parameters.model ?? "assistant")
            }
            let said = parameters.messages.map { "\($0.role.rawValue): \($0.content)" }.joined(separator: " | ")
            if context.more { try await writer.send(.init(text: "You said ")) }
            try await writer.finish(
                .init(
                    text: context.more ? said : "You said \(said)", finishReason: .end, promptTokens: 9,
                    generatedTokens: 3,
                    receipt: receipt, model: "helper", omittedMessages: parameters.messages.count > 4 ? 2 : 0))
        }
        service.handle(InferenceInterface.FillMask.self) { parameters, _ in
            if parameters.topK == 0 { throw VarlinkServiceError.invalidParameter(parameter: "top_k") }
            guard parameters.model != "assistant" else {
                throw VarlinkServiceError.invalidParameter(parameter: "model")
            }
            guard parameters.text.contains("<mask>") else { throw InferenceInterface.NoMask(text: parameters.text) }
            let fillings = [("reason", 0.25), ("a\nline", 0.125)].map { word, score in
                InferenceInterface.Filling(
                    score: score, token: 5, tokenStr: word,
                    sequence: parameters.text.contains("理")
                        ? String(repeating: "理性e\u{301}", count: 9) : "human \(word).")
            }
            let only = parameters.targets.map { words in fillings.filter { words.contains($0.tokenStr) } }
            let window = parameters.text.contains("far") ? 12 : nil
            return .init(masks: [.init(fillings: only ?? fillings)], windowTokens: window, receipt: receipt)
        }
        addSearch(to: &service)
        service.handle(ManagerInterface.GetStatus.self) { _, _ in left.next() }
        service.handle(ManagerInterface.ListModels.self) { _, _ in
            .init(models: models + (conversations ? [helper] : []))
        }
        service.handle(ManagerInterface.ListGenerations.self) { parameters, _ in
            guard parameters.model == "kantaibert" else { return .init(generations: []) }
            let made = Date(timeIntervalSinceNow: -7500).formatted(
                Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            return .init(generations: [
                .init(
                    model: "kantaibert", number: 5, run: "kantaibert-5", state: .candidate,
                    modelSha256: String(repeating: "d", count: 64), created: made),
                .init(
                    model: "kantaibert", number: 4, run: "kantaibert-4",
                    state: .rejected, modelSha256: String(repeating: "c", count: 64), evaluationLoss: 5.9,
                    bitsPerByte: 2.104, created: made, judgedBitsPerByte: 2.1044, incumbent: 3,
                    incumbentBitsPerByte: 1.9312, reason: rejection),
                .init(
                    model: "kantaibert", number: 3, run: "kantaibert-3", state: .serving, modelSha256: "ab",
                    evaluationLoss: 5.61234, bitsPerByte: 1.9312, created: made, precision: "int8",
                    precisionReason: precisionReason, float32BitsPerByte: 1.932, bfloat16BitsPerByte: 1.93194,
                    int8BitsPerByte: 1.9313),
            ])
        }
        service.handle(ManagerInterface.GetMetrics.self) { parameters, _ in
            guard parameters.run != "none" else { throw ManagerInterface.RunNotFound(run: "none") }
            guard parameters.run == "paged" else { return metrics }
            let after = parameters.afterStep ?? 0
            let end = min(100, after + 30)
            return .init(
                steps: Array(metrics.steps[after..<end]), evaluations: metrics.evaluations.filter { $0.step <= end },
                next: end < 100 ? end : nil)
        }
        service.handle(ManagerInterface.Describe.self) { _, _ in
            let names = [
                "roberta.embeddings.word_embeddings.weight",
                "roberta.encoder.layer.0.attention.output.LayerNorm.weight", "lm_head.bias",
            ]
            return .init(
                parameters: names.map { .init(name: $0, shape: [52_000, 768], count: 39_936_000) }, total: 83_504_416,
                configuration: .object([:]))
        }
        service.handle(ManagerInterface.ListCorpora.self) { parameters, _ in
            guard parameters.state != "duplicate" else { return .init(corpora: []) }
            if parameters.state == "admitted" {
                let number = Int(parameters.after ?? "0") ?? 0
                return .init(corpora: [paged(number)], next: number < 4 ? "\(number + 1)" : nil)
            }
            // A faulty service whose pages never end.
            if parameters.state == "removed" { return .init(corpora: [paged(0)], next: "5") }
            return .init(corpora: [
                .init(
                    sha256: String(repeating: "ab", count: 32),
                    name: String(repeating: "理性 and more ", count: 9) + ".txt",
                    bytes: 1_800_000, documents: 37_000, state: .rejected,
                    reason: "it is no text: byte 17 is NUL, which no encoding of text that is read here has",
                    received: "2026-01-01T12:00:00.000Z", models: ["kantaibert", "assistant"]),
                .init(
                    sha256: String(repeating: "cd", count: 32), name: "table.csv", bytes: 1000, documents: 96,
                    state: .admitted, received: "2026-01-01T12:00:00.000Z", models: ["kantaibert"],
                    encoding: "windows-1252", format: "CSV with delimiter ‘;’", warnings: warnings),
            ])
        }
        service.handle(ManagerInterface.Promote.self) { parameters, _ in
            guard parameters.generation < 9 else {
                throw ManagerInterface.GenerationNotFound(model: parameters.model, generation: parameters.generation)
            }
            return .init()
        }
        service.handle(ManagerInterface.CancelRun.self) { parameters, _ in
            throw ManagerInterface.RunNotFound(run: parameters.run)
        }
        service.handle(InferenceInterface.Score.self) { parameters, _ in
            let scores: [InferenceInterface.ScoredToken] = [
                .init(id: 5, token: String(repeating: "long", count: 30), offset: 0, logProbability: -1.23456),
                .init(id: 51_999, token: " e\u{301}理", offset: 120), .init(id: 2, token: "</s>", offset: 123),
            ]
            let colored: [InferenceInterface.ScoredToken] = [
                ("The", 0.5), (" ", 0.1), ("light ", 5), ("bytes:\\xe7\\x90", 9), ("bytes:\\x86", 3),
                ("\u{1B}[2J dove", 12), ("\n", 1), ("flies", 1), (".", 0.1), ("</s>", 2),
            ].enumerated().map {
                .init(id: 5 + $0, token: $1.0, offset: 0, logProbability: -$1.1 * 0.693_147_180_559_945_3)
            }
            if parameters.text == "colors" {
                return .init(
                    logLikelihood: -1, tokens: 10, bitsPerByte: 2, receipt: receipt, tokenScores: colored)
            }
            return .init(
                logLikelihood: -1234.5678, tokens: 321, bitsPerByte: 1.98765, receipt: receipt,
                tokenScores: parameters.tokens == true ? scores : nil)
        }
        service.handleMore(InferenceInterface.Review.self) { parameters, _, writer in
            guard parameters.corpus != String(repeating: "1", count: 64) else {
                throw InferenceInterface.CorpusUnreadable(sha256: parameters.corpus, reason: "its file is missing")
            }
            for scored in [0, 500] {
                try await writer.send(.init(scoredLines: scored, sampledLines: 1234, isSample: true))
            }
            let long = String(repeating: "理性 and more ", count: 40)
            let lines: [InferenceInterface.UnexpectedLine] = [
                .init(
                    line: 1234, offset: 99_999, text: "\(long)Ã¼\u{1B}[2J\(long)", bits: 81.04, bitsPerByte: 3.456,
                    place: 480, length: 2),
                .init(line: 7, offset: 9, text: "s p a c e d", bits: 30, bitsPerByte: 9),
                .init(line: 8, offset: 19, text: "short", bits: 3, bitsPerByte: 1, place: 4, length: 77),
            ]
            let isEmpty = parameters.corpus == String(repeating: "2", count: 64)
            try await writer.finish(
                .init(
                    scoredLines: 1234, sampledLines: isEmpty ? 0 : 1234, isSample: !isEmpty,
                    lines: isEmpty ? [] : Array(lines.prefix(parameters.limit ?? 20)),
                    bitsPerByte: isEmpty ? nil : 1.5, receipt: receipt))
        }
        let asked = Mutex(false)
        service.handle(InferenceInterface.Similar.self) { parameters, _ in
            let isFirst = asked.withLock { asked in
                defer { asked = true }
                return !asked
            }
            if isFirst {
                throw InferenceInterface.IndexNotReady(bytes: 1_000_000, totalBytes: 4_000_000, retryAfterMs: 1)
            }
            let passage = InferenceInterface.SimilarPassage(
                corpus: "ab", name: "kant.txt", line: 77, offset: 9,
                text: "Thoughts without\ncontent\u{1B}[2J 理性 \(String(repeating: "are void ", count: 20))",
                score: 0.8765)
            return .init(
                byEmbedding: Array(repeating: passage, count: parameters.limit ?? 1), byWords: [], passages: 50_000,
                isSample: true, isCut: true,
                searched: .init(corpora: 1, bytes: 9, removed: 1, omitted: 0, complete: true), receipt: receipt)
        }
        service.handle(InferenceInterface.Embed.self) { parameters, _ in
            .init(
                embeddings: parameters.texts.map { .init(embedding: [0.5, -0.25], tokens: $0.utf8.count) },
                receipt: receipt)
        }
        service.handle(InferenceInterface.Tokenize.self) { _, _ in
            .init(
                ids: [5, 6], tokens: [String(repeating: "Ġlong", count: 30), "e\u{301}理"], model: "kantaibert",
                generation: 3)
        }
        service.handle(InferenceInterface.Detokenize.self) { _, _ in
            .init(text: String(repeating: "Thoughts without 理性 are void. ", count: 9))
        }
        service.handle(ManagerInterface.DescribeTensor.self) { parameters, _ in
            guard parameters.name == "lm_head.bias" else {
                throw ManagerInterface.TensorNotFound(model: parameters.model, name: parameters.name)
            }
            return .init(
                shape: [9], type: "F32", minimum: -1, maximum: 1, mean: 0, standardDeviation: 0.5, zeros: 1,
                notFinite: 1,
                values: zip([0, 1, 2, 6, 7, 8], [-1, 0, 0.25, nil, 0.00001, 1]).map {
                    .init(row: 0, column: $0, value: $1)
                })
        }
        service.handle(ManagerInterface.Doctor.self) { _, _ in
            .init(checks: [
                .init(name: "disk", state: .warning, finding: "no room", advice: "make some"),
                .init(name: "blas", state: .ok, finding: "OpenBLAS"),
            ])
        }
        service.handle(ManagerInterface.ListRuns.self) { parameters, _ in
            var failed = run
            failed.state = .failed
            failed.reason = "the disk is full"
            guard parameters.model == "paged" else { return .init(runs: [failed]) }
            let number = Int(parameters.after ?? "0") ?? 0
            failed.id = "paged-\(9 - number)"
            return .init(runs: [failed], next: number < 8 ? "\(number + 1)" : nil)
        }
        service.handleMore(ManagerInterface.Put.self) { parameters, _, writer in
            let folder = "/tmp/kbctl-put-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let received = try await received(parameters, at: folder + "/socket") {
                try await writer.send(.init(transfer: folder + "/socket"))
            }
            for (index, file) in parameters.files.enumerated() {
                try await writer.send(
                    .init(bytes: received.utf8.count, file: .init(index: index, name: file.name, state: .received)))
                guard parameters.wait == true else { continue }
                try await writer.send(.init())
                let words = received.split(separator: " ").map(String.init)
                let state = ManagerInterface.Received.State(rawValue: words.last ?? "") ?? .admitted
                let isKnown = state == .admitted || state == .duplicate
                try await writer.send(
                    .init(
                        file: .init(
                            index: index, name: parameters.model.map { "\($0)/\(file.name)" } ?? file.name,
                            state: state,
                            sha256: isKnown ? String(repeating: "ab", count: 32) : nil,
                            reason: isKnown ? nil : "it is no text",
                            warnings: state == .admitted ? ["3 bytes were replaced"] : nil)))
            }
            try await writer.finish(.init())
        }
        service.handle(ManagerInterface.Pause.self) { parameters, _ in
            guard parameters.model != "kantaibert" else { return .init(models: []) }
            return .init(models: ["kantaibert", "assistant"], run: "assistant-1")
        }
        service.handle(ManagerInterface.Resume.self) { parameters, _ in
            .init(models: parameters.model == "kantaibert" ? [] : ["assistant"])
        }
        service.handle(ManagerInterface.RemoveGeneration.self) { parameters, _ in
            guard parameters.generation != 3 else {
                throw ManagerInterface.GenerationInUse(
                    model: parameters.model, generation: 3, reason: "it serves; promote another one first")
            }
            return .init()
        }
        service.handle(ManagerInterface.GetSettings.self) { _, _ in .init(settings: settings) }
        service.handle(ManagerInterface.ListEvents.self) { parameters, _ in
            let number = Int(parameters.after ?? "0") ?? 0
            let levels: [ManagerInterface.Event.Level] = [.error, .warning, .info]
            let events = levels.filter { parameters.level == nil || $0 != .info }.map { level in
                ManagerInterface.Event(
                    kind: "problem", level: level, message: "\(level.rawValue) \(number)", fields: [:],
                    time: "2026-01-01T12:00:00.000Z")
            }
            return .init(events: events, next: number < 2 ? "\(number + 1)" : nil)
        }
        service.handle(ManagerInterface.MeasureSpeed.self) { _, _ in
            .init(
                processor: "AMD EPYC", threads: 2, float32Operations: 440e9, memoryRead: 50e9,
                float32Instructions: 236e9, bfloat16Instructions: 471e9)
        }
        service.handle(ManagerInterface.PlanTraining.self) { parameters, _ in
            guard parameters.model != "none" else {
                throw ManagerInterface.ModelNotFound(model: "none", available: ["kantaibert", "assistant"])
            }
            return .init(plans: plans)
        }
        service.handle(ManagerInterface.Train.self) { parameters, _ in
            throw ManagerInterface.NothingToTrain(model: parameters.model ?? "", reason: "there are no corpora")
        }
        service.handleSubscription(ManagerInterface.Watch.self) { parameters, _, writer in
            try await writer.send(event(219))
            if parameters.run == run.id {
                try await writer.send(end(of: "kantaibert-2", .cancelled))
                try await writer.send(end(of: run.id, .interrupted))
            }
            try await writer.send(
                .init(
                    event: .init(
                        kind: "evaluation", level: .info, message: "held out after step 219: loss 5.1",
                        model: "assistant",
                        run: "assistant-1", fields: ["step": 219, "loss": 5.1], time: "2026-01-01T12:00:01.000Z")))
            try await writer.send(
                .init(
                    event: .init(
                        kind: "sample", level: .info, message: "after step 219 it continues “I”: “ think”",
                        model: "assistant", run: "assistant-1",
                        fields: ["step": 219, "prompt": "I", "text": " think\u{1B}[2J"],
                        time: "2026-01-01T12:00:02.000Z")))
            left.goOn()
            try await Task.sleep(for: .seconds(3600))
        }
        return service
    }

    static let settings: [ManagerInterface.Setting] = [
        .init(
            key: "schedule.settle", value: "2s", source: .environment, place: "KANTAIBERT_SCHEDULE_SETTLE",
            awaitsRestart: false),
        .init(
            key: "inbox.stable", value: "2s", source: .file, place: "/etc/kantaibert/kantaibert.yaml:7",
            awaitsRestart: true),
        .init(key: "kantaibert.preset", value: "kantaibert", source: .default, awaitsRestart: false),
    ]

    /// Receives the bytes of all files of a call.
    private static func received(
        _ parameters: ManagerInterface.Put.Parameters, at path: String, whenListening: () async throws -> Void
    ) async throws -> String {
        var address = try #require(UnixAddress.make(path))
        let listener = OpenDescriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        try #require(
            UnixAddress.with(&address) { bind(listener.number, $0, $1) } == 0 && listen(listener.number, 1) == 0)
        try await whenListening()
        return try await blocking {
            let connection = OpenDescriptor(accept(listener.number, nil, nil))
            var bytes = [UInt8](repeating: 0, count: parameters.files.reduce(0) { $0 + $1.bytes })
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeMutableBytes {
                    recv(connection.number, $0.baseAddress! + done, $0.count - done, 0)
                }
                try #require(count > 0)
                done += count
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    static let warnings = [
        "3 bytes are not windows-1252 and were replaced",
        "4 of 100 rows have no text in the column ‘理性’, whose name is long and not to be truncated, and were left out",
    ]

    /// A corpus whose name is longer on later pages.
    private static func paged(_ number: Int) -> ManagerInterface.Corpus {
        .init(
            sha256: String(repeating: "\(number)", count: 64),
            name: String(repeating: "n", count: 5 + number) + "-\(number).txt", bytes: 100, documents: 1,
            state: .admitted, received: "2026-01-01T12:00:00.000Z", models: ["kantaibert"])
    }

    static func status(
        models: [ManagerInterface.Model] = models, run: ManagerInterface.Run? = run, inboxPending: Int = 2
    ) -> ManagerInterface.GetStatus.Reply {
        .init(
            version: "1.0", uptimeSeconds: 7500, models: models, run: run, queued: [], inboxPending: inboxPending,
            resources: [:])
    }

    /// Runs `body` while a service with `statuses` listens on `socket`.
    static func serving(
        statuses: [ManagerInterface.GetStatus.Reply] = [status()], conversations: Bool = false,
        _ body: @escaping @Sendable (_ socket: String) throws -> Void
    ) async throws {
        let directory = "/tmp/kbctl-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let socket = "\(directory)/socket"
        let server = VarlinkServer(
            service: service(statuses: statuses, conversations: conversations), listener: .path(socket),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await server.run { continuation.yield() }
            }
            for await _ in listening { break }
            defer { group.cancelAll() }
            // The body blocks until a process has ended.
            try await blocking { try body(socket) }
        }
    }
}

private final class StatusQueue: Sendable {
    private let left: Mutex<(statuses: [ManagerInterface.GetStatus.Reply], goesOn: Bool, isAsked: Bool)>

    init(_ statuses: [ManagerInterface.GetStatus.Reply]) { left = Mutex((statuses, false, false)) }

    func goOn() { left.withLock { $0.goesOn = true } }

    func next() -> ManagerInterface.GetStatus.Reply {
        left.withLock { left in
            // The first caller gets the first status, however late it calls.
            if left.goesOn, left.isAsked, left.statuses.count > 1 { left.statuses.removeFirst() }
            left.isAsked = true
            return left.statuses[0]
        }
    }
}
