/// The samples of a training step or a part of them, concatenated without padding.
public struct Batch: Sendable, Equatable {
    /// Token ids with masks applied; `[tokens]`.
    public var inputIDs: [Int32] = []
    /// Start of each sequence in `inputIDs`, and the end: `[sequences + 1]`.
    public var sequenceOffsets: [Int] = [0]
    /// Indices of the scored tokens in `inputIDs`, in ascending order.
    public var scoredRows: [Int] = []
    /// The target id of each scored token.
    public var labels: [Int32] = []

    public init() {}

    public var sequences: Int { sequenceOffsets.count - 1 }
    public var tokens: Int { inputIDs.count }

    /// Splits the batch into consecutive batches of at most `maximumTokens` and `maximumSequences`. A sequence longer
    /// than `maximumTokens` forms a batch of its own.
    public func split(maximumTokens: Int, maximumSequences: Int = .max) -> [Batch] {
        if tokens <= maximumTokens, sequences <= maximumSequences { return [self] }
        var parts: [Batch] = []
        var scored = 0
        var first = 0
        while first < sequences {
            let start = sequenceOffsets[first]
            var last = first + 1
            while last < sequences, last - first < maximumSequences,
                sequenceOffsets[last + 1] - start <= maximumTokens
            { last += 1 }
            let end = sequenceOffsets[last]
            var part = Batch()
            part.inputIDs = Array(inputIDs[start..<end])
            part.sequenceOffsets = sequenceOffsets[first...last].map { $0 - start }
            while scored < scoredRows.count, scoredRows[scored] < end {
                part.scoredRows.append(scoredRows[scored] - start)
                part.labels.append(labels[scored])
                scored += 1
            }
            parts.append(part)
            first = last
        }
        return parts
    }
}
