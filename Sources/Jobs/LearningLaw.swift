import Glibc

/// The expected quality of a model: a law in the form of Hoffmann et al. 2022 ("Training Compute-Optimal Large Language
/// Models"), with repeated text as in Muennighoff et al. 2023 ("Scaling Data-Constrained Language Models"), fitted to
/// measured runs on English prose (docs/training.md, "The choice of the model").
///
/// bits per byte = floor + size · Nₑ^−0.34 + data · D^−0.28, where
/// - D = megabytes · R · (1 − exp(−E ÷ R)): the E-th pass over a text teaches less than the first;
/// - Nₑ = N ÷ (1 + N ÷ (20 · D)): of the N million weights of the layers, a small text uses only a part;
/// - E is the number of epochs, but not more than `mostEpochs` · (20 · megabytes ÷ N)^0.25: after these, a model only
///   memorizes the text, and the more weights it has, the earlier.
struct LearningLaw {
    private let floor: Double
    private let size = 0.09
    private let data = 0.452
    /// R.
    private let repetition: Double
    /// The number of epochs after which a model with 20 weights for each byte only memorizes the text.
    private let mostEpochs: Double

    init(_ objective: Objective) {
        switch objective {
        case .clm: (floor, repetition, mostEpochs) = (0.900, 6, 3.4)
        // Each epoch masks different tokens.
        case .mlm: (floor, repetition, mostEpochs) = (0.751, 15, 16)
        }
    }

    /// The measured bits per byte of prose differed from the law by at most this.
    static let uncertainty = 0.05

    /// - Parameter stepsPerEpoch: a short text is useful for more epochs, because a model learns little in few steps
    func bitsPerByte(_ shape: ModelShape, textBytes: Int, epochs: Double, stepsPerEpoch: Double) -> Double {
        let weights = Double(shape.layers * shape.weightsOfLayer) / 1e6
        let megabytes = Double(max(textBytes, 1)) / 1e6
        let useful = max(mostEpochs * pow(20 * megabytes / weights, 0.25), 200 / stepsPerEpoch)
        // The lower bound keeps the result finite, however short the time is.
        let text = max(megabytes * repetition * (1 - exp(-min(epochs, useful) / repetition)), 1e-12)
        let used = weights / (1 + weights / (20 * text))
        return floor + size * pow(used, -0.34) + data * pow(text, -0.28)
    }
}

extension TrainingText {
    /// Bytes of English prose in a token. A vocabulary of twice the size makes tokens half a byte longer.
    static func bytesPerToken(vocabulary: Int) -> Double { 5 + 0.5 * log2(Double(vocabulary) / 8_000) }

    /// Tokens in a row, for paragraphs of prose.
    static let rowTokens = 90.0
}
