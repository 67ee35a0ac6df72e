import Datasets
import Jobs
import Kernels
import Models
import Testing
import Training

private func trainStep(
    activationBytes: Int = MicrobatchPlan.activationBytes, dropout: Double = 0, accumulation: Int = 1,
    optimizer: OptimizerName = .adamw
) throws -> TrainStep {
    var architecture = Preset.tiny.architecture
    (architecture.hiddenDropoutProb, architecture.attentionProbsDropoutProb) = (dropout, dropout)
    let configuration = try RobertaConfiguration(architecture, rows: 512, objective: .clm)
    var recipe = RecipeName.seed.recipe(for: .clm)
    recipe.perDeviceTrainBatchSize = 16 / accumulation
    recipe.gradientAccumulationSteps = accumulation
    recipe.optimizer = optimizer
    recipe.weightDecay = 0.1
    return TrainStep(
        model: RobertaModel.initialized(configuration: configuration, seed: 1), recipe: recipe,
        plan: MicrobatchPlan(
            configuration: configuration, recipe: recipe, longestRow: 12, activationBytes: activationBytes),
        precision: .float32)
}

/// Returns sixteen sequences of 2 to 11 tokens with next-token labels.
private func batch() -> Batch {
    var batch = Batch()
    for sequence in 0..<16 {
        let length = 2 + sequence % 10
        for place in 0..<length {
            batch.inputIDs.append(Int32((sequence * 37 + place * 11) % 500 + 5))
            if place > 0 {
                batch.scoredRows.append(batch.inputIDs.count - 2)
                batch.labels.append(batch.inputIDs[batch.inputIDs.count - 1])
            }
        }
        batch.sequenceOffsets.append(batch.inputIDs.count)
    }
    return batch
}

@Test(arguments: OptimizerName.allCases, [false, true])
func microbatchesMatchWholeBatch(optimizer: OptimizerName, accumulates: Bool) throws {
    let whole = try trainStep(optimizer: optimizer)
    let parts =
        accumulates
        ? try trainStep(accumulation: 4, optimizer: optimizer) : try trainStep(activationBytes: 1, optimizer: optimizer)
    #expect(whole.maximumTokens == 16 * 12)
    #expect(parts.maximumTokens == (accumulates ? 4 * 12 : 12))
    for step in 0..<3 {
        let first = try whole.learn(batch(), step: step, learningRate: 1e-3)
        let second = try parts.learn(batch(), step: step, learningRate: 1e-3)
        #expect(abs(first.loss - second.loss) < 1e-5 * first.loss)
        #expect(abs(first.gradientNorm - second.gradientNorm) < 1e-4 * first.gradientNorm)
    }
}

@Test func decaysWeightsButNotLayerNorms() throws {
    let trainStep = try trainStep()
    let parameters = trainStep.model.parameters
    let positions = "roberta.embeddings.position_embeddings.weight"
    let unused = 100 * 32..<101 * 32
    let positionsBefore = Array(parameters[positions][unused])
    let norm = "roberta.embeddings.LayerNorm.weight"
    _ = try trainStep.learn(batch(), step: 0, learningRate: 1e-3)
    // A position that no sequence reaches has no gradient, only weight decay of learningRate · weightDecay.
    for (old, new) in zip(positionsBefore, parameters[positions][unused]) {
        #expect(abs(new - old * (1 - 1e-4)) <= 1e-6 * abs(old), "\(old) → \(new)")
    }
    // AdamW's first step has the length learningRate; weight decay would change it by a tenth.
    let steps = parameters[norm].map { abs(abs($0 - 1) - 1e-3) }
    #expect(steps.count { $0 < 5e-6 } > 28, "\(steps)")
}

@Test func dropoutDependsOnStep() throws {
    let outcomes = try [0, 0, 1].map { try trainStep(dropout: 0.3).learn(batch(), step: $0, learningRate: 1e-3).loss }
    #expect(outcomes[0] == outcomes[1])
    #expect(outcomes[0] != outcomes[2])
}

@Test func skipsBatchWithoutScoredTokens() throws {
    let trainStep = try trainStep()
    var empty = batch()
    empty.scoredRows = []
    empty.labels = []
    let before = Array(trainStep.model.parameters.values)
    #expect(try trainStep.learn(empty, step: 0, learningRate: 1e-3).failureReason != nil)
    #expect(Array(trainStep.model.parameters.values) == before)
}
