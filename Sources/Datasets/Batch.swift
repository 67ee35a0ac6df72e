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
            parts.append(part(first..<last, scored: &scored))
            first = last
        }
        return parts
    }

    /// Divides the batch among workers: consecutive parts with about the same number of tokens, and at least one sequence
    /// each if there are enough.
    public func shares(_ workers: Int) -> [Batch] {
        if workers == 1 { return [self] }
        var parts: [Batch] = []
        var scored = 0
        var first = 0
        for worker in 0..<workers {
            let later = workers - 1 - worker
            var last = first
            if worker == workers - 1 {
                last = sequences
            } else if sequences - first > later {
                // One sequence for each later worker remains.
                let wanted = tokens * (worker + 1) / workers
                last = first + 1
                while last < sequences - later, sequenceOffsets[last] < wanted { last += 1 }
            } else if first < sequences {
                last = first + 1
            }
            parts.append(part(first..<last, scored: &scored))
            first = last
        }
        return parts
    }

    /// Returns some of the sequences.
    /// - Parameter scored: the index of their first scored row; on return that of the first one after them
    private func part(_ sequences: Range<Int>, scored: inout Int) -> Batch {
        let (start, end) = (sequenceOffsets[sequences.lowerBound], sequenceOffsets[sequences.upperBound])
        var part = Batch()
        part.inputIDs = Array(inputIDs[start..<end])
        part.sequenceOffsets = sequenceOffsets[sequences.lowerBound...sequences.upperBound].map { $0 - start }
        while scored < scoredRows.count, scoredRows[scored] < end {
            part.scoredRows.append(scoredRows[scored] - start)
            part.labels.append(labels[scored])
            scored += 1
        }
        return part
    }
}
