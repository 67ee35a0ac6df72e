/// Rows of tokens with random access.
public protocol TokenRowSource: Sendable {
    var rows: Int { get }
    /// Returns the number of tokens in a row, including special tokens.
    func length(ofRow row: Int) -> Int
    func append(row: Int, to ids: inout [Int32])
}

extension TokenShard: TokenRowSource {}
