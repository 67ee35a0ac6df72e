import Datasets
import Glibc
import Jobs
import Kernels
import Models

/// Measures how much the precisions that a model can serve in change its bits per byte.
///
/// The same batches are evaluated in each precision, so that the differences are much more accurate than the values.
struct PackedEvaluator {
    /// Limits of the sample. Either ends it, because the cost of a masked model depends on its tokens, and that of a causal
    /// model, which scores each of them, on the scored tokens.
    static let mostTokens = 1 << 14
    static let mostScoredTokens = 1 << 12

    let directory: String
    let rates: InstructionRates
    /// Called before each batch and before the weights are packed; an error that it throws ends the measurement.
    let progress: () throws -> Void

    /// - Parameters:
    ///   - batches: of the held-out text; a sample of them is evaluated
    ///   - tokens: number of tokens of the text that the mean loss of a scored token is applied to
    ///   - bytes: size of the text
    /// - Returns: nil if the CPU has instructions for float32 only, or the sample has no finite loss
    /// - Throws: `ModelError`, and what `progress` throws
    func measure(
        _ batches: EvaluationBatches, tokens: Int, bytes: Int
    ) throws -> RunEvent.PrecisionsMeasured? {
        let start = ContinuousClock.now
        let others = [WeightPrecision.bfloat16, .int8].filter { rates.relativeTime(servingIn: $0) != nil }
        let sample = Self.sample(batches)
        guard !others.isEmpty, !sample.isEmpty else { return nil }
        let (configuration, file) = try ModelDirectory.open(directory)
        var sums: [WeightPrecision: LossAccumulator] = [:]
        for precision in [.float32] + others {
            try progress()
            let model = try Self.pack(configuration, file, precision, rates)
            for batch in sample {
                try progress()
                sums[precision, default: LossAccumulator()] += Self.loss(model, batch)
            }
        }
        func bitsPerByte(_ precision: WeightPrecision) -> Double? {
            guard let sums = sums[precision], sums.count > 0, sums.loss.isFinite else { return nil }
            return sums.loss / Double(sums.count) * Double(tokens) / (M_LN2 * Double(bytes))
        }
        guard let float32 = bitsPerByte(.float32), let count = sums[.float32]?.count else { return nil }
        let precisions = MeasuredPrecisions(
            float32: float32, bfloat16: bitsPerByte(.bfloat16), int8: bitsPerByte(.int8))
        guard precisions.isPlausible else { return nil }
        return RunEvent.PrecisionsMeasured(
            directory: directory, precisions: precisions, scoredTokens: count,
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    private static func sample(_ batches: EvaluationBatches) -> [Batch] {
        var sample: [Batch] = []
        var (tokens, scored) = (0, 0)
        for batch in batches where !batch.scoredRows.isEmpty {
            sample.append(batch)
            tokens += batch.tokens
            scored += batch.scoredRows.count
            if tokens >= mostTokens || scored >= mostScoredTokens { break }
        }
        return sample
    }

    /// Packs a model in memory, which is freed with it: the service packs the precision that it chooses.
    private static func pack(
        _ configuration: RobertaConfiguration, _ file: SafetensorsFile, _ precision: WeightPrecision,
        _ rates: InstructionRates
    ) throws(ModelError) -> PackedModel {
        let layout = PackedLayout(configuration, precision)
        let arena = Arena(bytes: layout.bytes)
        let base = UnsafeMutableRawPointer(arena.take(UInt8.self, layout.bytes))
        try layout.pack(file, into: base)
        return try PackedModel(
            configuration: configuration, file: file, layout: layout, base: base, memory: arena, rates: rates)
    }

    private static func loss(_ model: PackedModel, _ batch: Batch) -> LossAccumulator {
        var sums = LossAccumulator()
        // The head of a packed model has added the bias.
        let arena = Arena(bytes: 4 * model.configuration.vocabSize + Arena.alignment)
        let bias = arena.vector(model.configuration.vocabSize)
        model.forEachLogits(
            inputIDs: batch.inputIDs, sequenceOffsets: batch.sequenceOffsets, rows: batch.scoredRows
        ) { range, logits in
            sums += crossEntropy(
                logits.rows(0..<range.count), bias: bias, labels: batch.labels[range], gradientScale: nil)
        }
        return sums
    }
}
