import Jobs
import Tokenizers

/// Concatenates texts, each followed by `</s>`, and splits them into rows of `blockSize` tokens; the last
/// row may be shorter.
///
/// - `clm`: `<s>` and the next `blockSize` − 1 tokens, so that each token is predicted once.
/// - `mlm`: `<s> … </s>`, as RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2). If a sample ends at the end of a
///   row, one `</s>` ends both. A row that has no room for a token after a sample's `</s>` is one token shorter.
///
/// The stream continues across corpus files: a `</s>` separates them like any two samples, and attention spans it. At
/// most one row is buffered.
struct PackedRows {
    private let objective: Objective
    private let blockSize: Int
    private var row = [PackedRows.bos]
    private static let bos = SpecialToken.bos.rawValue
    private static let eos = SpecialToken.eos.rawValue

    init(objective: Objective, blockSize: Int) {
        self.objective = objective
        self.blockSize = blockSize
    }

    /// Appends a sample and returns the rows that are complete.
    mutating func append(_ tokens: [Int32]) -> [[Int32]] {
        var rows: [[Int32]] = []
        for token in tokens {
            // A masked row reserves room for its final `</s>`.
            let mayBeLast = objective == .clm || token == PackedRows.eos
            if row.count >= (mayBeLast ? blockSize : blockSize - 1) { rows += finish() }
            row.append(token)
        }
        return rows
    }

    /// Whether the next row has a token already.
    var hasOpenRow: Bool { row.count > 1 }

    /// Appends the `</s>` after a text and returns the row that is complete, if any.
    mutating func endText() -> [[Int32]] { append([PackedRows.eos]) }

    /// Returns the last, incomplete row, or nothing.
    mutating func finish() -> [[Int32]] {
        guard row.count > 1 else { return [] }
        if objective == .mlm, row.last != PackedRows.eos { row.append(PackedRows.eos) }
        defer { row = [PackedRows.bos] }
        return [row]
    }
}
