import FoundationEssentials
import Datasets
import Jobs
import Testing
import Training

/// Runs that start from a generation that another run has published.
@Suite struct WarmStartTests {
    /// Lines with the pattern and the words of the corpus of `TrainingRun`, for which its tokenizer is as good as another.
    private static let similar = (10..<40).flatMap { number in
        ["the will contains intuition", "a concept limits intuition"].map { "\($0) in case \(number)." }
    }
    private static let russian = (0..<200).map { "разум определяет понятие в случае \($0)." }

    /// Publishes generation 1 and turns the run into one of generation 2 that has one more corpus.
    private func generation(_ objective: Objective, adding lines: [String] = similar) throws -> TrainingRun {
        let run = try TrainingRun(objective)
        run.job.samples = .lines
        (run.job.recipe.maxSteps, run.job.recipe.numTrainEpochs) = (120, 10)
        let sha256 = try #require(try run.run().sha256)
        let old = run.job.corpora.map(\.sha256)
        let path = "\(run.folder)/new.txt"
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: path))
        run.job.corpora.append(try JobCorpus(file: path, name: "new.txt"))
        run.job.start = JobStart(
            generation: 1, directory: run.job.outputDirectory, modelSha256: sha256, corpora: old, warmStarts: 1)
        (run.job.run, run.job.generation) = ("test-2", 2)
        run.job.runDirectory = "\(run.folder)/run-2"
        run.job.outputDirectory = "\(run.folder)/models/test/2"
        run.job.recipe.maxSteps = 24
        return run
    }

    private func removeResults(_ run: TrainingRun) throws {
        for path in [run.job.runDirectory, run.job.outputDirectory] { try FileManager.default.removeItem(atPath: path) }
    }

    private func startPrepared(_ run: TrainingRun) -> RunEvent.StartPrepared? {
        run.events.lazy.compactMap { if case .startPrepared(let start) = $0 { start } else { nil } }.first
    }

    private func merges(_ directory: String) throws -> Data {
        try Data(contentsOf: URL(filePath: "\(directory)/merges.txt"))
    }

    @Test(arguments: Objective.allCases)
    func startsNearTheLossOfTheGeneration(objective: Objective) throws {
        let run = try generation(objective)
        let reached = try #require(run.evaluations.last).loss
        try run.run()
        let warm = try #require(run.steps.first).loss
        let start = try #require(startPrepared(run))
        #expect(start.generation == 1 && start.composedTokens == 0 && start.newRows > 0)
        #expect(start.replayedRows == min(3 * start.newRows, start.oldRows))
        #expect(try merges(run.job.outputDirectory) == merges("\(run.folder)/models/test/1"), "the tokenizer is kept")
        let facts = try #require(try TrainingFacts.read(directory: run.job.outputDirectory))
        #expect(facts.startedFrom == 1 && facts.warmStarts == 1 && facts.corpora.count == 2)
        #expect(facts.heldOutByHash == false && facts.layoutVersion == CorpusLayout.version)

        try removeResults(run)
        run.job.start = nil
        try run.run()
        let fresh = try #require(run.steps.first).loss
        #expect(startPrepared(run) == nil)
        #expect(warm < (reached + fresh) / 2, "\(reached), warm \(warm), fresh \(fresh)")
    }

    @Test func trainsOnNewRowsAndReplayedOnesForTwoEpochs() throws {
        let run = try generation(.mlm)
        (run.job.recipe.maxSteps, run.job.recipe.numTrainEpochs) = (nil, nil)
        run.job.recipe.replay = 1
        try run.run()
        let start = try #require(startPrepared(run))
        #expect(start.numTrainEpochs == 2 && start.replayedRows == start.newRows)
        #expect(run.started?.totalSteps == 2 * ((start.newRows + start.replayedRows + 7) / 8))
        #expect(run.steps.last?.epoch == 2)
    }

    @Test func composesEmbeddingsOfANewTokenizer() throws {
        let run = try generation(.clm, adding: Self.russian)
        try run.run()
        let start = try #require(startPrepared(run))
        let (kept, own) = (try #require(start.keptBytesPerToken), try #require(start.ownBytesPerToken))
        #expect(kept < 0.95 * own && start.composedTokens > 0, "\(start)")
        #expect(try merges(run.job.outputDirectory) != merges("\(run.folder)/models/test/1"))
        #expect(run.evaluations.allSatisfy { $0.loss.isFinite })
    }

    /// The generation is needed only until the first checkpoint.
    @Test(arguments: Objective.allCases)
    func resumedWarmStartGivesSameBytes(objective: Objective) throws {
        let run = try generation(objective)
        let expected = try #require(try run.run().sha256)
        try removeResults(run)
        for stop in [1, 7, 12, 23] {
            let outcome = try run.run { event, control in
                if case .step(let step) = event, step.step == stop { control.leave() }
            }
            #expect(outcome.interruptedStep == stop)
            if stop == 1 { try FileManager.default.removeItem(atPath: "\(run.folder)/models/test/1") }
        }
        #expect(try run.run().sha256 == expected)
    }

    /// As after a kill between the tokenizer and the first checkpoint, with shards of an older version.
    @Test func restartBeforeTheFirstCheckpointGivesSameBytes() throws {
        let run = try generation(.mlm, adding: Self.russian)
        let expected = try #require(try run.run().sha256)
        try FileManager.default.removeItem(atPath: run.job.outputDirectory)
        for checkpoint in run.checkpoints {
            try FileManager.default.removeItem(atPath: "\(run.job.runDirectory)/\(checkpoint)")
        }
        try FileManager.default.removeItem(atPath: "\(run.job.runDirectory)/shards/rows.json")
        #expect(try run.run().sha256 == expected)
        #expect(run.notes.contains { $0.contains("rebuilding the token shards") }, "\(run.notes)")
        #expect(startPrepared(run)?.keptBytesPerToken == nil, "the tokenizer was chosen before")
    }

    @Test(arguments: [true, false])
    func refusesAGenerationThatWasChangedOrRemoved(isRemoved: Bool) throws {
        let run = try generation(.mlm)
        let weights = "\(run.folder)/models/test/1/model.safetensors"
        if isRemoved {
            try FileManager.default.removeItem(atPath: "\(run.folder)/models/test/1")
        } else {
            var bytes = try Data(contentsOf: URL(filePath: weights))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(filePath: weights))
        }
        let error = try #require(throws: TrainingError.self) { try run.run() }
        guard case .start(1, weights, let reason) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(reason.contains(isRemoved ? "does not exist" : "SHA-256"))
        #expect(!FileManager.default.fileExists(atPath: "\(run.job.runDirectory)/tokenizer"), "work has begun")
    }

    @Test func refusesAShapeThatContradictsTheGeneration() throws {
        let run = try generation(.mlm)
        run.job.architecture.hiddenSize = 64
        let error = try #require(throws: TrainingError.self) { try run.run() }
        #expect(error.description.contains("hidden_size is 64, but the generation has 32"), "\(error)")
    }

    @Test func rejectsCheckpointOfAFreshRun() throws {
        let run = try generation(.mlm)
        let start = run.job.start
        run.job.start = nil
        try run.run { event, control in
            if case .step(let step) = event, step.step == 3 { control.leave() }
        }
        run.job.start = start
        let error = #expect(throws: TrainingError.self) { try run.run() }
        guard case .foreignCheckpoint(_, "start", start?.modelSha256 ?? "", "fresh") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// A model that starts between the generation and an untrained one.
    @Test func shrinkStartsFartherFromTheGeneration() throws {
        let run = try generation(.clm)
        try run.run()
        let whole = try #require(run.steps.first).loss
        try removeResults(run)
        run.job.recipe.shrink = 0.5
        try run.run()
        #expect(try #require(run.steps.first).loss > whole)
    }
}
