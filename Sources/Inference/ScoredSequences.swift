import Jobs
import Tokenizers

/// A piece of a text, and which of its tokens are looked for.
package struct ScoredSequence: Sendable {
    package let piece: [Int32]
    /// The one token that is masked and looked for; nil looks for each, given those before it.
    package let masked: Int?

    package var scoredCount: Int { masked == nil ? piece.count : 1 }

    /// Adds the sequence as the model gets it, the rows of `ids` at which it is scored, and the ids wanted there.
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

/// Cuts the ids of a text into pieces, and the pieces into batches of sequences to be scored. Holds one piece and one batch,
/// however long the text is. A value without I/O.
package struct ScoredSequences {
    /// Tokens of a batch, as many as one turn on the queue is worth.
    private static let batchTokens = 256

    private let objective: Objective
    private let pieceLength: Int
    /// Ids that have come and are in no piece yet.
    private var ids: ArraySlice<Int32> = []
    private var hasEnded = false
    private var piece: [Int32] = []
    /// Of a masked model's piece, the token whose sequence is next.
    private var nextMasked = 0
    /// A sequence that did not fit into the last batch.
    private var left: ScoredSequence?
    private var batch: [ScoredSequence] = []
    private var tokens = 0

    /// - Parameter trainedLength: tokens of the longest sequence that was trained, `<s>` and `</s>` among them
    package init(_ objective: Objective, trainedLength: Int) {
        self.objective = objective
        pieceLength = max(1, trainedLength - (objective == .clm ? 1 : 2))
    }

    /// Ids and sequences that are held at the moment.
    package var held: Int { ids.count + piece.count + batch.count }

    package mutating func append(_ more: [Int32]) {
        ids = ArraySlice(Array(ids) + more)
    }

    /// The text has ended. A causal model is scored on the `</s>` behind it, too.
    package mutating func end() {
        if objective == .clm { append([SpecialToken.eos.rawValue]) }
        hasEnded = true
    }

    /// The next whole batch: up to 256 tokens, at least one sequence. Nil where ids are needed first, and at the end.
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
