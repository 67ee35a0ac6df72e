import Jobs
import Testing

@Suite("The choice of a model")
struct AutomaticModelTests {
    private func text(bytes: Int, _ objective: Objective, _ architecture: Architecture = Preset.auto.architecture)
        -> TrainingText
    {
        TrainingText(
            estimatedFrom: bytes, architecture, RecipeName.default.recipe(for: objective), for: objective)
    }

    private func choose(
        bytes: Int, _ objective: Objective = .clm, _ maxTime: TimeLimit = .automatic,
        architecture: Architecture = Preset.auto.architecture, epochs: Double? = nil, rate: Double = 4.7e11
    ) -> AutomaticModel {
        var recipe = RecipeName.default.recipe(for: objective)
        recipe.maxTime = maxTime
        recipe.numTrainEpochs = epochs
        return AutomaticModel(
            architecture, recipe, for: objective, text: text(bytes: bytes, objective, architecture),
            operationsPerSecond: rate)
    }

    private let sizes = [1_000, 30_000, 400_000, 1_700_000, 20_000_000, 300_000_000, 10_000_000_000]

    @Test("Every choice is a valid model and fits into its time", arguments: Objective.allCases)
    func everyChoiceIsValid(objective: Objective) throws {
        for bytes in sizes {
            for maxTime in [TimeLimit.automatic, .none, .seconds(1), .seconds(600), .seconds(86_400)] {
                let model = choose(bytes: bytes, objective, maxTime)
                #expect(model.architecture.isComplete)
                try model.architecture.validate()
                #expect(model.epochs > 0 && model.steps >= 1 && model.parameters > 0)
                #expect(model.bitsPerByte.isFinite && model.bitsPerByte > 0)
                #expect(model.seconds <= (model.maxSeconds ?? .infinity) * 1.001, "\(bytes) \(maxTime)")
            }
        }
    }

    @Test("More time never gives a model of which less is expected", arguments: Objective.allCases)
    func moreTimeIsNeverWorse(objective: Objective) {
        for bytes in sizes {
            let bits = [10, 60, 600, 3600, 28_800].map { choose(bytes: bytes, objective, .seconds($0)).bitsPerByte }
            #expect(zip(bits, bits.dropFirst()).allSatisfy(>=), "\(bytes): \(bits)")
        }
    }

    @Test("A faster machine has a model that is at least as large", arguments: Objective.allCases)
    func fasterMachineHasALargerModel(objective: Objective) {
        for bytes in sizes {
            let parameters = [1e10, 1e11, 1e12, 1e13].map {
                choose(bytes: bytes, objective, .seconds(600), rate: $0).parameters
            }
            #expect(zip(parameters, parameters.dropFirst()).allSatisfy(<=), "\(bytes): \(parameters)")
        }
    }

    @Test("A time that is too short for one epoch gives the smallest model and says so")
    func tooLittleTime() {
        let model = choose(bytes: 300_000_000, .clm, .seconds(10))
        #expect(model.endsEarly)
        #expect(model.architecture.numHiddenLayers == 2)
        #expect(!choose(bytes: 1_700_000, .clm, .seconds(600)).endsEarly)
    }

    @Test("Numbers that are set are kept, and the others are chosen around them")
    func numbersThatAreSetAreKept() {
        var architecture = Preset.auto.architecture
        architecture.numAttentionHeads = 7
        let model = choose(bytes: 1_700_000, architecture: architecture)
        #expect(model.architecture.numAttentionHeads == 7)
        #expect((model.architecture.hiddenSize ?? 1) % 7 == 0)
        architecture.numAttentionHeads = nil
        architecture.hiddenSize = 100
        #expect(choose(bytes: 1_700_000, architecture: architecture).architecture.hiddenSize == 100)
        architecture.hiddenDropoutProb = 0
        #expect(choose(bytes: 1_700_000, architecture: architecture).architecture.hiddenDropoutProb == 0)
        let small = choose(bytes: 1_700_000, architecture: Preset.small.architecture)
        #expect(small.architecture == Preset.small.architecture)
        #expect(choose(bytes: 1_700_000, epochs: 3).epochs == 3)
    }

    @Test("Numbers without bounds do not overflow, and what is expected of them can be written as JSON")
    func extremeNumbers() throws {
        for epochs in [1e-300, 1e300] {
            for limit in [TimeLimit.none, .seconds(1e-9), .seconds(1e9)] {
                for rate in [0, 1e-300, 1e300] {
                    for bytes in [1, .max / 4] {
                        let model = choose(bytes: bytes, .clm, limit, epochs: epochs, rate: rate)
                        #expect(model.steps >= 1 && model.steps <= 1 << 31)
                        #expect(
                            model.bitsPerByte.isFinite && model.seconds.isFinite, "\(epochs) \(limit) \(rate) \(bytes)")
                    }
                }
            }
        }
    }

    @Test("The vocabulary and the time grow with the text, within limits")
    func vocabularyAndTimeGrow() {
        for objective in Objective.allCases {
            let vocabularies = sizes.map { AutomaticModel.vocabulary(textBytes: $0, for: objective) }
            #expect(vocabularies == vocabularies.sorted())
            #expect(vocabularies.allSatisfy { (512...52_000).contains($0) })
        }
        #expect(AutomaticModel.vocabulary(textBytes: 1_700_000, for: .clm) == 3968)
        #expect(AutomaticModel.vocabulary(textBytes: 1_700_000, for: .mlm) == 8000)
        #expect(AutomaticModel.seconds(textBytes: 1_700_000) == 3600)
        #expect(AutomaticModel.seconds(textBytes: 1) == 600)
        #expect(AutomaticModel.seconds(textBytes: 10_000_000_000_000) == 8 * 3600)
        // 2.8 million tweets.
        #expect(AutomaticModel.seconds(textBytes: 336_000_000) <= 4 * 3600)
    }
}
