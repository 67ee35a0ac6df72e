/// Some samples of a step, without padding: all tokens in one row.
public struct Batch: Sendable, Equatable {
    /// As the model gets them, masks in place; `[tokens]`.
    public var inputIDs: [Int32] = []
    /// Where each sequence begins in `inputIDs`, and the end: `[sequences + 1]`.
    public var sequenceOffsets: [Int] = [0]
    /// Rows of `inputIDs` whose output is scored, in order.
    public var scoredRows: [Int] = []
    /// The id each scored row should give.
    public var labels: [Int32] = []

    public init() {}

    public var sequences: Int { sequenceOffsets.count - 1 }
    public var tokens: Int { inputIDs.count }

    /// The batch as consecutive ones of at most `maximumTokens` and `maximumSequences`; a longer sequence stands alone.
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
