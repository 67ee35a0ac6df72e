/// An upper estimate of the disk space that a run needs, for `kbctl doctor` and for the check before the first step.
public struct DiskEstimate: Sendable, Equatable {
    /// Token shards. A token takes two bytes, or four with a large vocabulary, and rarely represents less than two
    /// bytes of text.
    public var shardBytes: Int
    /// One checkpoint: weights and two moments.
    public var checkpointBytes: Int
    /// Checkpoints that exist at a time: those that are kept, the best one, and the one being written.
    public var checkpoints: Int
    /// The model and its packed weights.
    public var modelBytes: Int

    /// - Parameters:
    ///   - rows: the rows of the word embedding; nil uses the architecture's, or the largest vocabulary of a tokenizer
    ///   - textBytes: the size of all corpora
    public init(architecture: Architecture, recipe: Recipe, rows: Int? = nil, textBytes: Int = 0) {
        let rows = rows ?? architecture.vocabSize ?? AutomaticModel.largestVocabulary
        let largest = ModelShape.candidates(architecture).last!
        let parameters = largest.parameters(rows: rows, positions: architecture.maxPositionEmbeddings)
        shardBytes = textBytes
        checkpointBytes = 3 * 4 * parameters
        checkpoints = recipe.saveTotalLimit + 2
        modelBytes = 2 * 4 * parameters
    }

    public var bytes: Int { shardBytes + checkpoints * checkpointBytes + modelBytes }
}
