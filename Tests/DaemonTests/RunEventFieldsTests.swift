import Daemon
import Events
import FoundationEssentials
import Jobs
import Testing
import TextFilters
import Varlink

@Suite("Fields of run events")
struct RunEventFieldsTests {
    private static let summary = TextSummary(
        bytes: 1_234_567, units: 3121, tokens: 301_223, trainedShare: 0.9375, heldOutShare: 0.0625, truncatedShare: 0,
        filteredShare: 0, duplicateShare: 0, filteredUnits: 0, duplicateUnits: 0, isUniform: false,
        corpora: [
            .init(name: "book.txt", samples: .paragraphs, joinsLines: true, reason: "hard-wrapped lines, lines joined")
        ], corpusCount: 3)

    private func message(_ summary: TextSummary) throws -> String {
        try #require(ServiceEvent(RunEvent(.textSummary(summary)), of: job)).message
    }

    private let job = Job(
        run: "m-1", model: "m", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
        recipe: RecipeName.default.recipe(for: .mlm), corpora: [], samples: .lines, filters: [], tokenizer: nil,
        wordCountsDirectory: nil, runDirectory: "/r",
        outputDirectory: "/o")

    @Test("Ranks and their communication are described in words")
    func rankMessages() throws {
        func message(_ payload: RunEvent.Payload) throws -> String {
            try #require(ServiceEvent(RunEvent(payload), of: job)).message
        }
        let joined = RunEvent.RanksJoined(
            ranks: 3, hosts: [.init(name: "a", ranks: 1), .init(name: "b", ranks: 2)], library: "Open MPI v4.1.4",
            doubts: [])
        #expect(
            try message(.ranksJoined(joined)) == "m-1: 3 processes train together, 1 on a, 2 on b, with Open MPI v4.1.4"
        )
        let communication = RunEvent.Communication(
            step: 10, steps: 10, secondsPerStep: 2, communicationSeconds: 0.5, bytesPerStep: 500_000_000,
            slowestRank: 1,
            slowestHost: "b", slowestSeconds: 1.5, fastestSeconds: 1.25)
        #expect(
            try message(.communication(communication)).hasPrefix(
                "m-1: 25 % of the last 10 steps was communication: 500.0 of 2000.0 ms and "))
        #expect(
            try message(.communication(communication)).hasSuffix(
                "rank 1 on b computes slowest, 1500.0 ms against 1250.0"))
    }

    @Test("The text of a run is stated in a sentence")
    func textSummaryMessage() throws {
        var summary = Self.summary
        #expect(
            try message(summary)
                == "m-1: text: 1.2 MB in 3,121 units, 301,223 tokens; 93.8 % trained on, 6.3 % held out, nothing left "
                + "out; book.txt: hard-wrapped lines, lines joined; and 2 more")
        (summary.filteredShare, summary.filteredUnits, summary.duplicateShare, summary.duplicateUnits) = (
            0.25, 40, 0.125, 7
        )
        summary.truncatedShare = 0.125
        var (shortened, kept) = (FilterCount(.minWords), FilterCount(.dedupeDocuments))
        shortened.addBefore(bytes: 2_000_000)
        kept.addBefore(bytes: 10)
        kept.addAfter(bytes: 10)
        summary.filters = [shortened, kept]
        #expect(
            try message(summary).contains(
                "50.0 % left out: 25.0 % by filters with 40 whole units, 12.5 % in 7 duplicates (dedupe_documents), "
                    + "12.5 % beyond block_size (truncate); min_words: 1 unit (2.0 MB) → 0 (0 bytes); "
                    + "dedupe_documents: 1 unit (10 bytes) → 1 (10 bytes); book.txt"))
    }

    private static func chosen(_ maxTime: TimeLimit) -> RunEvent.ModelChosen {
        var recipe = RecipeName.default.recipe(for: .clm)
        recipe.maxTime = maxTime
        let text = TrainingText(rows: 3593, tokens: 325_963, bytes: 1_630_000, vocabulary: 4032)
        let model = AutomaticModel(
            Preset.auto.architecture, recipe, for: .clm, text: text, operationsPerSecond: 4e11)
        return RunEvent.ModelChosen(model, text: text, operationsPerSecond: 4e11)
    }

    @Test("The model that a run chose is stated with its text, its time and what is expected of it")
    func chosenModelMessage() throws {
        func message(_ maxTime: TimeLimit) throws -> String {
            try #require(ServiceEvent(RunEvent(.modelChosen(Self.chosen(maxTime))), of: job)).message
        }
        let chosen = Self.chosen(.seconds(600))
        let layers = try #require(chosen.architecture.numHiddenLayers)
        #expect(try message(.seconds(600)).hasPrefix("m-1: \(layers) layers, hidden size "))
        #expect(
            try message(.seconds(600)).contains(
                "epochs, at most 10 min, for 325,963 tokens (1.6 MB) at up to 400 GFLOP/s; expected: "))
        #expect(!(try message(.none)).contains("at most"))
        #expect(try message(.seconds(1)).hasSuffix("with a longer max_time the model learns more"))
        #expect(!(try message(.seconds(600))).contains("too short"))
    }

    @Test("A sample of text is quoted with its prompt")
    func sampleMessage() throws {
        func message(_ objective: Objective, _ prompt: String, _ text: String) throws -> String {
            var job = job
            job.objective = objective
            let sample = RunEvent(.sample(.init(step: 250, prompt: prompt, text: text)))
            let event = try #require(ServiceEvent(sample, of: job))
            #expect(event.kind == .sample && event.fields["text"] == .string(text) && event.fields["step"] == 250)
            return event.message
        }
        #expect(try message(.clm, "Human", " reason is") == "m-1: after step 250 it continues “Human”: “ reason is”")
        #expect(
            try message(.mlm, "a <mask>.", "a b.") == "m-1: after step 250 it fills in “a <mask>.”: “a b.”")
    }

    @Test("The size of a batch is stated, with the reason for it if the run chose it")
    func batchSizeMessage() throws {
        func message(_ reason: String?) throws -> String {
            let preflight = RunEvent.Preflight(
                parameters: 1, flopsPerStep: 2e9, productRate: 3.5e11, precision: "bfloat16", peakBytes: 4,
                memoryLimitBytes: 5, memoryLimitSource: "free memory", microBatchTokens: 6,
                perDeviceTrainBatchSize: 16, batchReason: reason, seconds: 7.5)
            return try #require(ServiceEvent(RunEvent(.preflight(preflight)), of: job)).message
        }
        #expect(try message(nil).contains(" left, batches of 16 rows, 2.0 GFLOP"))
        let reason = "because a row has 91.0 tokens on average"
        #expect(try message(reason).contains(" left, batches of 16 rows \(reason), 2.0 GFLOP"))
    }

    @Test("The precision is stated, with the reason for it if the run chose it")
    func precisionMessage() throws {
        func message(_ reason: String?) throws -> String {
            let preflight = RunEvent.Preflight(
                parameters: 1, flopsPerStep: 2e9, productRate: 3.5e11, precision: "bfloat16", precisionReason: reason,
                peakBytes: 4, memoryLimitBytes: 5, memoryLimitSource: "free memory", microBatchTokens: 6,
                perDeviceTrainBatchSize: 16, batchReason: nil, seconds: 7.5)
            return try #require(ServiceEvent(RunEvent(.preflight(preflight)), of: job)).message
        }
        #expect(try message(nil).contains(" at 350 GFLOP/s, precision bfloat16, 4 bytes of 5 bytes of memory"))
        let reason = "its products run at 2.0 times float32's rate on this CPU"
        #expect(
            try message(reason).contains(" at 350 GFLOP/s, precision bfloat16: \(reason), 4 bytes of 5 bytes of memory")
        )
    }

    @Test("A job with another file for what was measured of the machine is the same work")
    func machineFileDoesNotChangeWork() {
        var other = job
        other.machineFile = "/s/machine.json"
        #expect(job.isSameWork(as: other))
        other.recipe.seed += 1
        #expect(!job.isSameWork(as: other))
    }

    @Test("A job that starts from another generation is other work")
    func startChangesWork() {
        func starting(from generation: Int?) -> Job {
            var job = job
            job.start = generation.map {
                JobStart(
                    generation: $0, directory: "/m/\($0)", modelSha256: "\($0)", corpora: ["a", "b"], warmStarts: 1)
            }
            return job
        }
        var shuffled = starting(from: 1)
        shuffled.start?.corpora = ["b", "a"]
        #expect(starting(from: 1).isSameWork(as: shuffled))
        #expect(!starting(from: 1).isSameWork(as: starting(from: nil)))
        #expect(!starting(from: 1).isSameWork(as: starting(from: 2)))
    }

    @Test("What a run starts from is stated, and whether the tokenizer is kept")
    func startMessage() throws {
        var start = RunEvent.StartPrepared(
            generation: 7, newRows: 63, replayedRows: 189, oldRows: 6212, numTrainEpochs: 2, composedTokens: 0,
            keptBytesPerToken: nil, ownBytesPerToken: nil)
        func message() throws -> String { try #require(ServiceEvent(RunEvent(.startPrepared(start)), of: job)).message }
        #expect(
            try message()
                == "m-1: starts from generation 7: 2.0 epochs over 63 new rows and 189 of 6,212 old ones (replay); its "
                + "tokenizer is kept")
        (start.composedTokens, start.keptBytesPerToken, start.ownBytesPerToken) = (12, 1.25, 3.5)
        #expect(
            try message().hasSuffix(
                "; 12 tokens of a new tokenizer composed from those of its own (1.25 bytes of new text per token, 3.50 with a "
                    + "new one)"))
    }

    @Test(
        "An event has the members of the run's JSON line as fields",
        arguments: [
            .tokenizerTrained(.init(vocabularySize: 8000, seconds: 1.5)),
            .preflight(
                .init(
                    parameters: 1, flopsPerStep: 2e9, productRate: 3.5e11, precision: "bfloat16",
                    precisionReason: "its products run at 2.0 times float32's rate on this CPU", peakBytes: 4,
                    memoryLimitBytes: 5, memoryLimitSource: "free memory", microBatchTokens: 6,
                    perDeviceTrainBatchSize: 16,
                    batchReason: "because a row has 91.0 tokens on average", seconds: 7.5)),
            .step(
                .init(
                    StepMetrics(
                        step: 1, epoch: 1, loss: 9.25, learningRate: 1e-3, gradientNorm: 1, tokens: 900,
                        tokensPerSecond: 1000.5, mfu: 0.8),
                    totalSteps: 2, remainingSeconds: 3, log: true)),
            .evaluation(.init(step: 5, loss: 5.5, perplexity: 244.7, accuracy: 0.25, bitsPerByte: 1.5)),
            .textSummary(summary), .textWarning(.init(message: "few units")), .modelChosen(Self.chosen(.seconds(600))),
            .startPrepared(
                .init(
                    generation: 7, newRows: 63, replayedRows: 189, oldRows: 6212, numTrainEpochs: 2, composedTokens: 0,
                    keptBytesPerToken: 4.125, ownBytesPerToken: 4.25)),
            .ranksJoined(
                .init(ranks: 3, hosts: [.init(name: "a", ranks: 3)], library: "MPICH Version: 4.0.2", doubts: ["other"])
            ),
            .communication(
                .init(
                    step: 10, steps: 10, secondsPerStep: 2, communicationSeconds: 0.5, bytesPerStep: 500,
                    slowestRank: 1, slowestHost: "b", slowestSeconds: 1.5, fastestSeconds: 1.25)),
        ] as [RunEvent.Payload])
    func fields(payload: RunEvent.Payload) throws {
        let event = RunEvent(payload)
        let line = try JSONDecoder().decode(JSONValue.self, from: JobCoding.encode(event))
        guard case .object(var expected) = line else {
            Issue.record("not an object: \(line)")
            return
        }
        expected["kind"] = nil
        expected["time"] = nil
        #expect(try #require(ServiceEvent(event, of: job)).fields == expected)
    }
}
