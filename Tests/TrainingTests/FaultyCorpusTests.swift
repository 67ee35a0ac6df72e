import Datasets
import Durable
import FoundationEssentials
import Jobs
import Testing
import Training

/// Corpora that a run must handle, or reject with an error that names the corpus.
@Suite struct FaultyCorpusTests {
    private func add(_ bytes: some Sequence<UInt8>, _ digit: Character, to run: TrainingRun) throws -> JobCorpus {
        let path = "\(run.folder)/\(digit).txt"
        let data = Data(bytes)
        try data.write(to: URL(filePath: path))
        let corpus = try JobCorpus(file: path, name: "\(digit).txt")
        run.job.corpora.append(corpus)
        return corpus
    }

    private func letters(_ count: Int) -> [UInt8] {
        var random: UInt64 = 88172645463325252
        return (0..<count).map { _ in
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return UInt8(ascii: "a") + UInt8(random % 26)
        }
    }

    @Test(arguments: [
        (Objective.mlm, SampleUnit.lines, " "), (.clm, .paragraphs, ""), (.mlm, .packed, ""), (.clm, .records, " "),
        (.mlm, .auto, ". "),
    ])
    func trainsOnAllOfLongUnits(objective: Objective, unit: SampleUnit, space: String) throws {
        let run = try TrainingRun(objective)
        run.job.samples = unit
        run.job.recipe.maxSteps = 2
        let word = Array(("understanding" + space).utf8)
        _ = try add((0..<8 << 20).lazy.map { word[$0 % word.count] }, "c", to: run)
        try run.run()
        let summary = try #require(run.summary)
        #expect(summary.bytes > 8_380_000 && summary.units > 10_000 && summary.corpusCount == 2)
        #expect(abs(summary.trainedShare + summary.heldOutShare - 1) < 1e-9)
    }

    /// The recipe `seed` truncates, and says so.
    @Test func warnsOfTruncatedText() throws {
        let run = try TrainingRun(.mlm)
        run.job.recipe.truncate = true
        run.job.recipe.maxSteps = 2
        _ = try add(
            (0..<500).map { "\($0) " + String(repeating: "a long line ", count: 50) + "\n" }.joined().utf8, "c", to: run
        )
        try run.run()
        let summary = try #require(run.summary)
        #expect((0.1...0.9).contains(summary.truncatedShare))
        #expect(run.warnings.count == 1 && run.warnings[0].contains("truncate: false"), "\(run.warnings)")
    }

    @Test func attributesMemoryErrorToCorpus() throws {
        let run = try TrainingRun(.mlm)
        let corpus = try add(letters(20_000_000), "c", to: run)
        run.memoryLimit = 400_000_000
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.corpus == corpus.sha256)
        #expect(error?.description.contains("the corpus c.txt (\(corpus.sha256.prefix(12))): ") == true, "\(error!)")
        #expect(error?.description.contains("memory") == true)
        run.job.corpora.removeLast()
        run.memoryLimit = nil
        try run.run()
    }

    @Test func attributesCombinedMemoryErrorToLargestCorpus() throws {
        let run = try TrainingRun(.mlm)
        _ = try add(letters(5_000_000).map { $0 - 32 }, "a", to: run)
        let larger = try add(letters(8_000_000), "c", to: run)
        run.memoryLimit = 360_000_000
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.corpus == larger.sha256, "\(error!)")
    }

    @Test func reportsCorpusBeingRead() throws {
        let run = try TrainingRun(.clm)
        let other = try add("some more of it\n".utf8, "0", to: run)
        try run.run()
        let first = run.job.corpora[0].sha256
        var said: [(String, String?)] = []
        for case .working(let working) in run.events where said.last?.1 != working.corpus || said.isEmpty {
            said.append((working.activity, working.corpus))
        }
        let inOrder = [other.sha256, first].sorted().map { $0.prefix(2) }
        let expected =
            inOrder.map { "counting words \($0)" } + ["merging "] + inOrder.map { "tokenizing \($0)" } + ["preparing "]
        #expect(said.map { "\($0.0) \($0.1?.prefix(2) ?? "")" } == expected)
    }

    @Test func failsBeforeFirstStepIfDiskIsFull() throws {
        let run = try TrainingRun(.mlm)
        try run.run { event, control in
            if case .checkpoint = event { control.leave() }
        }
        let free = try FreeSpace.at(run.folder).free
        run.diskReserve = free
        let error = #expect(throws: TrainingError.self) { try run.run() }
        guard case .tooLittleSpace(_, let needed, let found, free) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(needed > 1_000_000 && found > 0)
        #expect(error?.description.contains("(retention.reserve): make room") == true)
        #expect(run.checkpoints.count == 1, "the existing checkpoint was not kept")
        // The run resumes once there is space.
        run.diskReserve = 0
        try run.run()
        #expect(run.started?.resumedStep == 6)
        // A new run fails before it tokenizes.
        try run.startOver()
        run.diskReserve = .max / 2
        #expect(throws: TrainingError.self) { try run.run() }
        #expect(!FileManager.default.fileExists(atPath: "\(run.job.runDirectory)/shards/training.tokens"))
    }

    @Test func estimatesDiskUse() {
        let architecture = Preset.kantaibert.architecture
        let estimate = DiskEstimate(
            architecture: architecture, recipe: RecipeName.default.recipe(for: .mlm), textBytes: 1000)
        #expect(estimate.checkpoints == 4 && estimate.shardBytes == 1000)
        // Three float32 values for each of 83.5 million parameters.
        #expect((990_000_000...1_010_000_000).contains(estimate.checkpointBytes), "\(estimate)")
        #expect(estimate.bytes == 1000 + 4 * estimate.checkpointBytes + estimate.modelBytes)
    }
}
