import FoundationEssentials
import Jobs
import Testing
import Training

/// A run whose recipe leaves the batch size open.
@Suite struct BatchChoiceTests {
    private static func openRun(_ objective: Objective = .mlm) throws -> TrainingRun {
        let run = try TrainingRun(objective)
        run.job.recipe.perDeviceTrainBatchSize = nil
        return run
    }

    private func decisions(_ run: TrainingRun) throws -> String {
        try String(contentsOf: URL(filePath: "\(run.job.runDirectory)/decisions.json"), encoding: .utf8)
    }

    @Test(arguments: Objective.allCases)
    func trainsAsIfTheChosenSizeWereSet(objective: Objective) throws {
        let run = try Self.openRun(objective)
        let published = try #require(try run.run().sha256)
        let preflight = try #require(run.preflight)
        let size = preflight.perDeviceTrainBatchSize
        #expect(AutomaticBatch.sizes.contains(size))
        #expect(try #require(preflight.batchReason).contains("training rows"))
        #expect(try decisions(run).contains("\"per_device_train_batch_size\" : \(size)"))
        let file = "\(run.job.outputDirectory)/\(TrainingArguments.fileName)"
        let arguments = try JobCoding.decode(
            TrainingArguments.self, from: try Data(contentsOf: URL(filePath: file)))
        #expect(arguments.recipe.perDeviceTrainBatchSize == size)
        try run.startOver()
        run.job.recipe.perDeviceTrainBatchSize = size
        #expect(try run.run().sha256 == published)
    }

    @Test func longerRowsGiveSmallerBatches() throws {
        var sizes: [Int] = []
        for words in [3, 60] {
            let run = try Self.openRun()
            run.job.recipe.maxSteps = 1
            let lines = (0..<4_000).map { line in
                (0..<words).map { "word\(($0 * 7 + line) % 50)" }.joined(separator: " ") + " \(line)"
            }
            try run.replaceCorpus(lines.joined(separator: "\n"))
            try run.run()
            sizes.append(try #require(run.preflight).perDeviceTrainBatchSize)
        }
        #expect(sizes[0] > sizes[1], "\(sizes)")
    }

    @Test func explicitSizeIsUsed() throws {
        let run = try TrainingRun(.mlm)
        run.job.recipe.perDeviceTrainBatchSize = 5
        run.job.recipe.maxSteps = 1
        try run.run()
        #expect(run.preflight?.perDeviceTrainBatchSize == 5 && run.preflight?.batchReason == nil)
        #expect(try !decisions(run).contains("per_device_train_batch_size"))
    }

    @Test func resumedRunGivesSameBytes() throws {
        let run = try Self.openRun()
        let expected = try #require(try run.run().sha256)
        try run.startOver()
        try run.run { event, control in
            if case .step(let step) = event, step.step == 7 { control.leave() }
        }
        #expect(try run.run().sha256 == expected)
    }

    /// As if a version with another rule had begun the run.
    @Test func resumedRunKeepsTheNumberThatWasWritten() throws {
        let run = try Self.openRun()
        try run.run { event, control in
            if case .preflight = event { control.leave() }
        }
        #expect(run.preflight?.perDeviceTrainBatchSize == 8)
        let text = try decisions(run)
        let changed = text.replacing(
            "\"per_device_train_batch_size\" : 8", with: "\"per_device_train_batch_size\" : 24")
        try #require(changed != text)
        let path = URL(filePath: "\(run.job.runDirectory)/decisions.json")
        try Data(changed.utf8).write(to: path)
        try run.run()
        #expect(run.preflight?.perDeviceTrainBatchSize == 24 && run.preflight?.batchReason == nil)
        let epochSteps = (try #require(run.started).trainSamples + 23) / 24
        #expect(try #require(run.steps.first).epoch == 1 / Double(epochSteps))
    }

    @Test func refusesNumberThatNoRunHasWritten() throws {
        let run = try Self.openRun()
        try run.run { event, control in
            if case .preflight = event { control.leave() }
        }
        let path = URL(filePath: "\(run.job.runDirectory)/decisions.json")
        let text = try decisions(run).replacing(
            "\"per_device_train_batch_size\" : 8", with: "\"per_device_train_batch_size\" : 1000000")
        try Data(text.utf8).write(to: path)
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.description.contains("`per_device_train_batch_size` is 1000000") == true)
    }
}
