import Jobs
import Tokenizers

/// How a sample's tokens become rows of at most `blockSize`, as training and `hf_check.py` have them.
///
/// - `mlm`: one row, `<s> tokens </s>`, tokens beyond the block cut off.
/// - `clm`: the tokens and `</s>`, cut into pieces of `blockSize` − 1, `<s>` before each. A line is one row of its own.
enum TokenRows {
    static func rows(of tokens: [Int32], objective: Objective, blockSize: Int) -> [[Int32]] {
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
}
