import Jobs
import Tokenizers

/// A piece of a text and the tokens of it that are scored.
package struct ScoredSequence: Sendable {
    package let piece: [Int32]
    /// Index of the token that is masked and scored, or nil if each token is scored given the tokens before it.
    package let masked: Int?

    package var scoredCount: Int { masked == nil ? piece.count : 1 }
    /// The tokens that are scored.
    var scored: ArraySlice<Int32> { masked.map { piece[$0...$0] } ?? piece[...] }

    /// Appends the input ids of the sequence, the rows at which it is scored, and the target ids of those rows.
    func append(ids: inout [Int32], places: inout [Int], labels: inout [Int32]) {
        let start = ids.count
        ids.append(SpecialToken.bos.rawValue)
        if let masked {
            ids += piece
            ids.append(SpecialToken.eos.rawValue)
            let place = start + 1 + masked
            ids[place] = SpecialToken.mask.rawValue
            places.append(place)
            labels.append(piece[masked])
        } else {
            ids += piece.dropLast()
            places += start..<ids.count
            labels += piece
        }
    }
}

/// Splits the ids of a text into pieces, and groups the pieces into batches of sequences. Holds only one piece and one
/// batch, regardless of the length of the text. A pure value type.
package struct ScoredSequences {
    /// Number of tokens of a batch, which matches one turn on the queue.
    private static let batchTokens = 256

    private let objective: Objective
    private let pieceLength: Int
    /// Ids that are not part of a piece yet.
    private var ids: ArraySlice<Int32> = []
    private var hasEnded = false
    private var piece: [Int32] = []
    /// Index of the next token of `piece` to be masked.
    private var nextMasked = 0
    /// A sequence that did not fit into the previous batch.
    private var left: ScoredSequence?
    private var batch: [ScoredSequence] = []
    private var tokens = 0

    /// - Parameter trainedLength: number of tokens of the longest training sequence, including `<s>` and `</s>`
    package init(_ objective: Objective, trainedLength: Int) {
        self.objective = objective
        pieceLength = max(1, trainedLength - (objective == .clm ? 1 : 2))
    }

    /// Number of ids and sequences that are currently held.
    package var held: Int { ids.count + piece.count + batch.count }

    package mutating func append(_ more: [Int32]) {
        ids = ArraySlice(Array(ids) + more)
    }

    /// Ends the text. For a causal model, a final `</s>` is scored as well.
    package mutating func end() {
        if objective == .clm { append([SpecialToken.eos.rawValue]) }
        hasEnded = true
    }

    /// Returns the next complete batch of up to 256 tokens and at least one sequence, or nil if more ids are needed or
    /// at the end.
    package mutating func next() -> [ScoredSequence]? {
        while let sequence = nextSequence() {
            if !batch.isEmpty, tokens + sequence.piece.count > Self.batchTokens {
                left = sequence
                return takeBatch()
            }
            batch.append(sequence)
            tokens += sequence.piece.count
        }
        return hasEnded && !batch.isEmpty ? takeBatch() : nil
    }

    private mutating func takeBatch() -> [ScoredSequence] {
        defer { (batch, tokens) = ([], 0) }
        return batch
    }

    private mutating func nextSequence() -> ScoredSequence? {
        if let sequence = left {
            left = nil
            return sequence
        }
        if nextMasked >= piece.count {
            guard let next = nextPiece() else { return nil }
            guard objective == .mlm else { return ScoredSequence(piece: next, masked: nil) }
            (piece, nextMasked) = (next, 0)
        }
        defer { nextMasked += 1 }
        return ScoredSequence(piece: piece, masked: nextMasked)
    }

    private mutating func nextPiece() -> [Int32]? {
        guard ids.count >= pieceLength || (hasEnded && !ids.isEmpty) else { return nil }
        defer { ids = ids.dropFirst(pieceLength) }
        return Array(ids.prefix(pieceLength))
    }
}
