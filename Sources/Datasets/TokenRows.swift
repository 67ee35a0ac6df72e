import Jobs
import Tokenizers

/// How samples' tokens become rows of at most `blockSize`, as training and `hf_check.py` have them.
///
/// - `mlm`: one row, `<s> tokens </s>`, tokens beyond the block cut off.
/// - `clm`: the tokens and `</s>`, cut into pieces of `blockSize` − 1, `<s>` before each. A line is one row of its own.
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

    /// The rows that are finished with the next sample.
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

    /// What is left when no more samples come.
    mutating func finish() -> [[Int32]] { packed?.finish() ?? [] }
}
