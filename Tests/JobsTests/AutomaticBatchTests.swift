import Jobs
import Testing

@Suite struct AutomaticBatchTests {
    @Test(arguments: [
        // (tokens of a row, rows, size, whether an epoch would have too few steps)
        (14, 100_000, 128, false),
        (40, 20_000, 48, false),
        (62, 23_000, 32, false),
        (91, 3_600, 16, false),
        (107, 6_000, 16, false),
        (512, 100_000, 8, false),
        (3, 100_000, 256, false),
        (14, 3_000, 24, true),
        (14, 1_599, 8, true),
        (14, 10, 8, true),
    ])
    func countsTokens(rowTokens: Int, rows: Int, size: Int, isForSteps: Bool) {
        let batch = AutomaticBatch(rows: rows, tokens: rows * rowTokens)
        #expect(batch.size == size && batch.isForSteps == isForSteps)
        #expect(batch.rowTokens == Double(rowTokens))
    }

    @Test(arguments: [(0, 0), (1, 0), (0, 1), (1, .max), (.max, 1), (.max, .max)])
    func boundsEverySize(rows: Int, tokens: Int) {
        let size = AutomaticBatch(rows: rows, tokens: tokens).size
        #expect(AutomaticBatch.sizes.contains(size) && size % AutomaticBatch.sizes.lowerBound == 0)
    }

    @Test func stepsHaveSeveralBatches() {
        let batch = AutomaticBatch(rows: 20_000, tokens: 20_000 * 40, perStep: 8)
        #expect(batch.size == 24 && batch.isForSteps)
    }

    /// The product with the largest size that a run may choose is at most `UInt32.max`.
    @Test func refusesAccumulationThatALargeBatchWouldOverflow() throws {
        var recipe = RecipeName.default.recipe(for: .mlm)
        recipe.gradientAccumulationSteps = (1 << 24) - 1
        try recipe.validate(for: .mlm, Preset.tiny.architecture)
        recipe.gradientAccumulationSteps = 1 << 24
        let error = #expect(throws: JobError.self) { try recipe.validate(for: .mlm, Preset.tiny.architecture) }
        #expect(error?.key == "recipe.gradient_accumulation_steps")
    }

    @Test(arguments: Objective.allCases)
    func onlyTheDefaultRecipeLeavesTheBatchOpen(objective: Objective) {
        #expect(RecipeName.default.recipe(for: objective).perDeviceTrainBatchSize == nil)
        #expect(RecipeName.seed.recipe(for: objective).perDeviceTrainBatchSize == 64)
    }
}
