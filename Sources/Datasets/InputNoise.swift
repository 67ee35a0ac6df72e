import Random
import Tokenizers

/// Replaces a share of the input tokens of a causal model by random ones. The labels stay, so that the model learns not to
/// rely on any single token, which regularizes training on a small corpus.
struct InputNoise: Sendable {
    let probability: Float
    /// Exclusive upper bound of the ids that are replaced and drawn; special tokens are neither.
    let vocabularySize: Int
    private let generator: Philox

    init(probability: Float, vocabularySize: Int, seed: UInt64) {
        self.probability = probability
        self.vocabularySize = vocabularySize
        generator = Philox(seed: seed, purpose: .inputNoise)
    }

    func add(to batch: inout Batch, step: UInt32) {
        guard probability > 0 else { return }
        let first = SpecialToken.allCases.count
        for row in batch.inputIDs.indices where (first..<vocabularySize).contains(Int(batch.inputIDs[row])) {
            let block = generator.block(step: step, index: UInt64(row))
            guard Philox.uniform(block[0]) < probability else { continue }
            batch.inputIDs[row] = Int32(first) + Int32(Philox.below(UInt32(vocabularySize - first), block[1]))
        }
    }
}
