import Glibc

/// The expected quality of a model: a law in the form of Hoffmann et al. 2022 ("Training Compute-Optimal Large Language
/// Models"), with repeated text as in Muennighoff et al. 2023 ("Scaling Data-Constrained Language Models"), fitted to
/// measured runs on English prose (docs/training.md, "The choice of the model").
///
/// bits per byte = floor + size · Nₑ^−0.34 + data · D^−0.28, where
/// - D = megabytes · R · (1 − exp(−E ÷ R)): the E-th pass over a text teaches less than the first;
/// - Nₑ = N ÷ (1 + N ÷ (20 · D)): of the N million weights of the layers, a small text uses only a part.
struct LearningLaw {
    private let floor: Double
    private let size = 0.057
    private let data = 0.243
    /// R.
    private let repetition: Double
    private let objective: Objective

    init(_ objective: Objective) {
        self.objective = objective
        switch objective {
        case .clm: (floor, repetition) = (1.126, 6)
        // Each epoch masks other tokens.
        case .mlm: (floor, repetition) = (0.896, 15)
        }
    }

    /// How far the measured bits per byte of prose were from the law at most.
    static let uncertainty = 0.05

    /// The numbers of epochs that are compared.
    static let epochs: [Double] = [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20]

    func bitsPerByte(_ shape: ModelShape, textBytes: Int, epochs: Double) -> Double {
        let weights = Double(shape.layers * shape.weightsOfLayer) / 1e6
        let megabytes = Double(max(textBytes, 1)) / 1e6
        let epochs = min(epochs, mostEpochs(weights: weights, megabytes: megabytes))
        let text = megabytes * repetition * (1 - exp(-epochs / repetition))
        let used = weights / (1 + weights / (20 * text))
        return floor + size * pow(used, -0.34) + data * pow(text, -0.28)
    }

    /// Returns the number of epochs after which a model that continues text only learns it by heart: the more weights a
    /// byte has, the earlier.
    private func mostEpochs(weights: Double, megabytes: Double) -> Double {
        objective == .mlm ? .infinity : min(max(4 * pow(8 * megabytes / weights, 0.35), 1), 12)
    }
}

extension TrainingText {
    /// Bytes of English prose in a token. A vocabulary of twice the size makes tokens half a byte longer.
    static func bytesPerToken(vocabulary: Int) -> Double { 5 + 0.5 * log2(Double(vocabulary) / 8_000) }

    /// Tokens in a row, for paragraphs of prose.
    static let rowTokens = 90.0
}
