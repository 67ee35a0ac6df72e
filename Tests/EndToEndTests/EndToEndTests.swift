import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// Tests the programs as a user runs them: drops files, calls `kbctl`, kills processes.
@Suite("End to end", .serialized, .timeLimit(.minutes(30)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct EndToEndTests {
    static let smallest = """
        models: [kantaibert, assistant]
        kantaibert:
          objective: mlm
          preset: tiny
          samples: lines
        assistant:
          objective: clm
          preset: tiny
        schedule:
          settle: 1s
        """

    /// One model with a run that does not end during a test.
    static let endless = """
        models: [kantaibert]
        kantaibert:
          objective: mlm
          preset: tiny
          num_train_epochs: 100000
          save_steps: 20
          logging_steps: 10
          eval_steps: 1000000
        inbox:
          stable: 200ms
        schedule:
          settle: 100ms
        training:
          restart_wait: 100ms
        """

    @Test("Trains and serves models from a text file")
    func trainsAndServesFromTextFile() throws {
        let service = try RunningService(settings: Self.smallest)
        try service.start()

        // Before any training.
        let early = try service.kbctl("fill", "the old <mask>")
        #expect(early.status == 75, "\(early.error)")
        #expect(try service.kbctl("status", "--json").json(ManagerInterface.GetStatus.Reply.self).models.count == 2)

        // Drop a text, a duplicate and a file that is not text.
        let events = try service.watch()
        let text = Grammar.text(lines: 3000, seed: 1)
        try service.drop("grammar.txt", text.utf8)
        let admitted = try events.first("corpus_admitted")
        try service.drop("again.txt", text.utf8)
        try service.drop("picture.txt", [0x89, 0x50, 0x4E, 0x47, 0, 0, 0, 1])
        let watching = try service.kbctl("watch", "--exit-when-served")
        #expect(watching.status == 0, "\(watching.output)\(watching.error)\n\(service.logText)")

        let corpora = try service.kbctl("corpora", "--json").json(ManagerInterface.ListCorpora.Reply.self).corpora
        #expect(
            Set(corpora.map { "\($0.name) \($0.state.rawValue)" }) == [
                "grammar.txt admitted", "again.txt duplicate", "picture.txt rejected",
            ])
        #expect(corpora.first { $0.state == .admitted }?.sha256 == admitted.corpus)
        #expect(try FileManager.default.contentsOfDirectory(atPath: service.folder + "/corpus") == [admitted.corpus])
        let rejected = try FileManager.default.contentsOfDirectory(atPath: service.inbox + "/.rejected").sorted()
        #expect(rejected == ["picture.txt", "picture.txt.reason"])

        // Check the runs and their metrics.
        let runs = try service.kbctl("runs", "--json").json(ManagerInterface.ListRuns.Reply.self).runs
        #expect(runs.map(\.state) == [.finished, .finished])
        #expect(Set(runs.map(\.model)) == ["kantaibert", "assistant"])
        for run in runs {
            let metrics = try service.kbctl("metrics", run.id, "--json").json(ManagerInterface.GetMetrics.Reply.self)
            #expect(metrics.steps.map(\.step) == Array(1...run.totalSteps))
            #expect(metrics.evaluations.last?.step == run.totalSteps)
            let (first, last) = (try #require(metrics.steps.first), try #require(metrics.evaluations.last))
            #expect(last.loss < first.loss * 0.7, "\(run.model) has not learned: \(first.loss) → \(last.loss)")
        }
        let models = try service.kbctl("models", "--json").json(ManagerInterface.ListModels.Reply.self).models
        #expect(models.map(\.generation) == [1, 1])
        #expect(models.map(\.state) == [.idle, .idle])

        // Check the answers.
        let answers = try Answers(service)
        #expect(answers.fillings.masks.count == 1)
        #expect(answers.fillings.masks.first?.fillings.count == 5)
        #expect(answers.fillings.receipt.model == "kantaibert")
        #expect(!answers.continuation.text.isEmpty)
        #expect(answers.continuation.receipt?.model == "assistant")
        #expect(try service.kbctl("ask", "the wise judge", "--seed", "7").output.contains(answers.continuation.text))
        let wrong = try service.kbctl("ask", "the wise judge", "-m", "kantaibert")
        #expect(wrong.status != 0 && wrong.error.split(separator: "\n").count == 1, "\(wrong.error)")
        let nothingNew = try service.kbctl("train")
        #expect(nothingNew.status != 0 && nothingNew.error.contains("force"), "\(nothingNew.error)")

        // After a restart, the service gives the same answers immediately.
        #expect(try service.stop().status == 0, "\(service.logText)")
        #expect(!FileManager.default.fileExists(atPath: service.socket))
        try service.start()
        #expect(try Answers(service) == answers)
        #expect(try service.stop().status == 0)

        // If one model is damaged, the other still serves.
        try Data("x".utf8).write(to: URL(filePath: service.folder + "/models/assistant/1/model.safetensors"))
        try service.start()
        #expect(try service.kbctl("fill", "the old <mask>").status == 0)
        let damaged = try service.kbctl("ask", "the old")
        #expect(damaged.status == 75 && damaged.error.contains("generation 1 cannot be loaded"), "\(damaged.error)")
        #expect(try service.stop().status == 0)
    }

    /// Answers that must not change while the same generations serve.
    struct Answers: Equatable {
        var fillings: InferenceInterface.FillMask.Reply
        var continuation: InferenceInterface.Generate.Reply

        init(_ service: RunningService) throws {
            let fill = try service.kbctl("fill", "the old fox sees a <mask> in spring.", "--json")
            #expect(fill.status == 0, "\(fill.error)")
            fillings = try fill.json(InferenceInterface.FillMask.Reply.self)
            let ask = try service.kbctl("ask", "the wise judge", "--seed", "7", "--json")
            #expect(ask.status == 0, "\(ask.error)")
            continuation = try ask.json(InferenceInterface.Generate.Reply.self)
        }
    }

    @Test("The concatenated pieces of a stream equal the unstreamed text")
    func streamedTextMatchesUnstreamed() throws {
        let service = try RunningService(settings: Self.smallest + "\ninbox:\n  stable: 200ms")
        try service.start()
        let events = try service.watch()
        try FileManager.default.createDirectory(atPath: service.inbox + "/assistant", withIntermediateDirectories: true)
        // The folder of one model: the other model is not trained.
        try service.drop("assistant/grammar.txt", Grammar.text(lines: 500, seed: 2).utf8)
        #expect(try events.first("generation_serves").model == "assistant")
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: "the old", sampling: .init(maxNewTokens: 40, seed: 3))
        let whole = try service.client().call(InferenceInterface.Generate.self, parameters)
        let replies = try service.client().callMore(InferenceInterface.Generate.self, parameters)
        var pieces: [InferenceInterface.Generate.Reply] = []
        while let reply = try replies.next() { pieces.append(reply) }
        #expect(pieces.map(\.text).joined() == whole.text)
        #expect(pieces.count > 2)
        #expect(pieces.dropLast().allSatisfy { $0.finishReason == nil && $0.receipt == nil })
        #expect(pieces.last?.finishReason == whole.finishReason)
        #expect(pieces.last?.receipt == whole.receipt)
        #expect(throws: InferenceInterface.NoGeneration.self) {
            try service.client().call(InferenceInterface.FillMask.self, .init(text: "a <mask>"))
        }
        #expect(throws: VarlinkServiceError.invalidParameter(parameter: "model")) {
            try service.client().call(
                InferenceInterface.Generate.self, .init(prompt: "the", model: "kantaibert"))
        }
        #expect(throws: InferenceInterface.ModelNotFound(model: "nobody", available: ["kantaibert", "assistant"])) {
            try service.client().call(InferenceInterface.Score.self, .init(text: "the", model: "nobody"))
        }
        #expect(try service.stop().status == 0)
    }

    @Test("A killed run resumes from its checkpoint; a run that was interrupted by a restart resumes afterwards")
    func resumesKilledAndInterruptedRuns() throws {
        let service = try RunningService(settings: Self.endless)
        try service.start()
        var events = try service.watch()
        try service.drop("grammar.txt", Grammar.text(lines: 500, seed: 3).utf8)
        #expect(try events.first("run_started").number("resumed_step") == 0)
        let checkpoint = try #require(try events.first("checkpoint").number("step"))

        kill(try service.trainingProcess(), SIGKILL)
        let death = try events.first("run_died")
        #expect(death.message.contains("SIGKILL"), "\(death.message)")
        #expect(try service.client().call(ManagerInterface.GetStatus.self, .init()).run?.id == "kantaibert-1")
        let resumed = try #require(try events.first("run_started").number("resumed_step"))
        #expect(resumed >= checkpoint)
        _ = try events.first("a later step") { $0.kind == "step" && ($0.number("step") ?? 0) > resumed + 20 }

        #expect(try service.stop().status == 0, "\(service.logText)")
        try service.start()
        events = try service.watch()
        let run = try service.client().call(ManagerInterface.ListRuns.self, .init()).runs
        #expect(run.map(\.id) == ["kantaibert-1"])
        let later = try events.first("a step after the restart") { $0.kind == "step" }
        #expect(try #require(later.number("step")) > resumed + 20)
        _ = try service.client().call(ManagerInterface.CancelRun.self, .init(run: "kantaibert-1"))
        _ = try events.first("run_cancelled")
        #expect(try service.stop().status == 0)
    }

    @Test("Start errors are reported with a specific exit status")
    func reportsStartErrorsWithExitStatus() throws {
        let service = try RunningService(settings: Self.smallest)
        let config = service.folder + "/wrong.yaml"
        try Data("inbox:\n  stable: soon\n".utf8).write(to: URL(filePath: config))
        let wrong = try Programs.run("kantaibertd", ["--state-dir", service.folder, "--config", config])
        #expect(wrong.status == 78)
        #expect(
            wrong.error
                == "kantaibertd: \(config):2: inbox.stable: expected a duration such as 2s, 1m or 24h, found ‘soon’\n")
        try service.start()
        let second = try Programs.run("kantaibertd", ["--state-dir", service.folder])
        #expect(second.status == 75)
        #expect(second.error.contains("another kantaibertd"), "\(second.error)")
        #expect(try service.stop().status == 0)
        #expect(try Programs.run("kantaibertd", ["--version"]).status == 0)
        #expect(try service.kbctl("status").status == 69)
    }
}
