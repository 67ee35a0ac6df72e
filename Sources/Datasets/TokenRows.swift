import Jobs
import Tokenizers

/// Converts tokenized samples to rows of at most `blockSize` tokens, as training and `hf_check.py` use them.
///
/// - `mlm`: one row, `<s> tokens </s>`, truncated to the block size.
/// - `clm`: the tokens and `</s>`, split into pieces of `blockSize` − 1, each preceded by `<s>`.
/// - `packed`: see `PackedRows`.
struct TokenRows {
    private let objective: Objective
    private let blockSize: Int
    private var packed: PackedRows?

    init(_ source: ShardSource) {
        self.init(objective: source.objective, unit: source.unit, blockSize: source.blockSize)
    }

    init(objective: Objective, unit: SampleUnit, blockSize: Int) {
        self.objective = objective
        self.blockSize = blockSize
        if unit == .packed { packed = PackedRows(objective: objective, blockSize: blockSize) }
    }

    /// Appends a sample and returns the rows that are complete.
    mutating func append(_ tokens: [Int32]) -> [[Int32]] {
        if let rows = packed?.append(tokens) { return rows }
        let bos = SpecialToken.bos.rawValue
        let eos = SpecialToken.eos.rawValue
        switch objective {
        case .mlm:
            return [[bos] + tokens.prefix(blockSize - 2) + [eos]]
        case .clm:
            let body = tokens + [eos]
            return stride(from: 0, to: body.count, by: blockSize - 1).map { start in
                [bos] + body[start..<min(start + blockSize - 1, body.count)]
            }
        }
    }

    /// Returns the remaining row after the last sample, if any.
    mutating func finish() -> [[Int32]] { packed?.finish() ?? [] }
}
