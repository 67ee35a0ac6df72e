import Jobs
import Tokenizers

/// Samples joined into one stream, `</s>` behind each, and cut into rows of `blockSize`, the last one shorter.
///
/// - `clm`: `<s>` and the next `blockSize` − 1 of the stream, so that each token of it is predicted once.
/// - `mlm`: `<s> … </s>`, as RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2). Where a sample ends with its row, one
///   `</s>` ends both; a row that has no room for a token behind a sample's `</s>` is one shorter.
///
/// The stream goes on from one corpus file into the next: a `</s>` stands between, as between any two samples, and
/// attention sees across it. No more than a row is held.
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

    /// The rows that cannot take more when a sample has been joined.
    mutating func append(_ tokens: [Int32]) -> [[Int32]] {
        var rows: [[Int32]] = []
        for token in tokens + [PackedRows.eos] {
            // A masked row keeps room for its own end.
            let mayBeLast = objective == .clm || token == PackedRows.eos
            if row.count >= (mayBeLast ? blockSize : blockSize - 1) { rows += finish() }
            row.append(token)
        }
        return rows
    }

    /// What has been joined and not yet given out: one row or none.
    mutating func finish() -> [[Int32]] {
        guard row.count > 1 else { return [] }
        if objective == .mlm, row.last != PackedRows.eos { row.append(PackedRows.eos) }
        defer { row = [PackedRows.bos] }
        return [row]
    }
}
