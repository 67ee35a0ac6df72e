/// Bytes that a run writes at most, as far as it can be known before: what `kbctl doctor` says of the disk, and what a run is held
/// against before its first step.
public struct DiskEstimate: Sendable, Equatable {
    /// Token shards: a token takes two bytes, of a large vocabulary four, and seldom stands for less than two bytes of text.
    public var shardBytes: Int
    /// Of one checkpoint: weights and two moments.
    public var checkpointBytes: Int
    /// Checkpoints at a time: those that are kept, the best one, and the one that is being written.
    public var checkpoints: Int
    /// The model, and its packed weights when it serves.
    public var modelBytes: Int

    /// Rows of the embedding where the tokenizer says how many, at most.
    private static let automaticRows = 52_000

    /// - Parameters:
    ///   - rows: of the embedding; nil: what the architecture says, else what a tokenizer has at most
    ///   - textBytes: of all corpora
    public init(architecture: Architecture, recipe: Recipe, rows: Int? = nil, textBytes: Int = 0) {
        let rows = rows ?? architecture.vocabSize ?? DiskEstimate.automaticRows
        let parameters =
            architecture.hiddenSize
            * (rows + architecture.maxPositionEmbeddings + architecture.numHiddenLayers
                * (4 * architecture.hiddenSize + 2 * architecture.intermediateSize))
        shardBytes = textBytes
        checkpointBytes = 3 * 4 * parameters
        checkpoints = recipe.saveTotalLimit + 2
        modelBytes = 2 * 4 * parameters
    }

    public var bytes: Int { shardBytes + checkpoints * checkpointBytes + modelBytes }
}
