/// Rows of tokens that can be had in any order.
public protocol TokenRowSource: Sendable {
    var rows: Int { get }
    /// Tokens of a row, special ones included.
    func length(ofRow row: Int) -> Int
    func append(row: Int, to ids: inout [Int32])
}

extension TokenShard: TokenRowSource {}
