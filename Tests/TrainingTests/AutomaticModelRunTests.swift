import FoundationEssentials
import Jobs
import Models
import Testing
import Training

@Suite("A run that chooses its model")
struct AutomaticModelRunTests {
    private func run(_ objective: Objective = .clm) throws -> TrainingRun {
        let run = try TrainingRun(objective)
        run.job.architecture = Preset.auto.architecture
        run.job.recipe.numTrainEpochs = nil
        run.job.recipe.maxTime = .automatic
        run.job.recipe.maxSteps = 8
        return run
    }

    @Test("The choice is reported before the first step and is what is published", arguments: Objective.allCases)
    func choiceIsReportedAndPublished(objective: Objective) throws {
        let run = try run(objective)
        try run.run()
        let chosen = try #require(run.modelChosen)
        #expect(chosen.architecture.isComplete)
        let limit = AutomaticModel.seconds(textBytes: chosen.trainBytes)
        #expect(chosen.maxSeconds == limit && !chosen.endsEarly)
        #expect(chosen.trainBytes > 10_000 && chosen.trainTokens > 1_000)
        let configuration = try ModelDirectory.configuration(of: run.job.outputDirectory)
        #expect(configuration.hiddenSize == chosen.architecture.hiddenSize)
        #expect(configuration.numHiddenLayers == chosen.architecture.numHiddenLayers)
        #expect(configuration.numAttentionHeads == chosen.architecture.numAttentionHeads)
        let arguments = try Data(contentsOf: URL(filePath: "\(run.job.outputDirectory)/training_args.json"))
        let recipe = try JobCoding.decode(TrainingArguments.self, from: arguments).recipe
        #expect(recipe.numTrainEpochs == chosen.numTrainEpochs)
        #expect(recipe.maxTime == .seconds(limit))
    }

    @Test("Numbers that are set are kept, and the others are chosen around them")
    func numbersThatAreSetAreKept() throws {
        let run = try run()
        (run.job.architecture.hiddenSize, run.job.architecture.numAttentionHeads) = (96, 3)
        run.job.recipe.numTrainEpochs = 7
        try run.run()
        let chosen = try #require(run.modelChosen)
        #expect(chosen.architecture.hiddenSize == 96 && chosen.architecture.numAttentionHeads == 3)
        #expect(chosen.architecture.intermediateSize == 384)
        #expect(chosen.numTrainEpochs == 7)
    }

    @Test("A resumed run keeps its choice, whatever it would choose now")
    func resumedRunKeepsItsChoice() throws {
        let run = try run()
        run.job.recipe.maxSteps = 16
        try run.run { event, control in
            if case .step(let step) = event, step.step == 6 { control.leave() }
        }
        let chosen = try #require(run.modelChosen)
        let path = "\(run.job.runDirectory)/decisions.json"
        let decisions = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(decisions.contains("\"hidden_size\" : \(try #require(chosen.architecture.hiddenSize))"))
        try run.run()
        #expect(run.modelChosen == nil)
        #expect(run.started?.resumedStep == 6)
        let configuration = try ModelDirectory.configuration(of: run.job.outputDirectory)
        #expect(configuration.hiddenSize == chosen.architecture.hiddenSize)
    }

    @Test("A run with any number of epochs is resumed")
    func anyNumberOfEpochsIsResumed() throws {
        let run = try run()
        run.job.recipe.numTrainEpochs = 1e9
        try run.run { event, control in
            if case .step(let step) = event, step.step == 6 { control.leave() }
        }
        try run.run()
        #expect(run.started?.resumedStep == 6)
    }

    @Test(
        "A damaged choice is refused, because memory is allocated according to it",
        arguments: [("\"hidden_size\" : ", "\"hidden_size\" : 9999999"), ("\"num_hidden_layers\" : ", "\"layers\" : ")])
    func damagedChoiceIsRefused(old: String, new: String) throws {
        let run = try run()
        try run.run { event, control in
            if case .step(let step) = event, step.step == 6 { control.leave() }
        }
        let path = URL(filePath: "\(run.job.runDirectory)/decisions.json")
        let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
        try Data(text.replacing(old, with: new).utf8).write(to: path)
        #expect(throws: TrainingError.self) { try run.run() }
    }
}

extension TrainingRun {
    fileprivate var modelChosen: RunEvent.ModelChosen? {
        events.lazy.compactMap { if case .modelChosen(let chosen) = $0 { chosen } else { nil } }.first
    }
}
