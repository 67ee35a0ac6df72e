/// A byte-level BPE model: tokens by id, and merges in the order in which they are applied.
final class BPEModel: @unchecked Sendable {
    // @unchecked: immutable after `init`.

    struct Merge: Equatable {
        let first: Int32
        let second: Int32
        let token: Int32
    }

    /// Tokens as written in `vocab.json`, in UTF-8, by id.
    let contents: [[UInt8]]
    let merges: [Merge]
    /// The token used for a byte without a token. If nil, such bytes are dropped, as in Hugging Face.
    let unknown: Int32?
    let table: MergeTable
    /// `[256]`, the id of the token of each byte, or -1 if there is none.
    let idOfByte: [Int32]
    /// Whether all 256 bytes have a token.
    let coversAllBytes: Bool
    private let ids: ByteStringTable

    init(contents: [[UInt8]], merges: [Merge], unknown: Int32? = nil) {
        self.contents = contents
        self.merges = merges
        self.unknown = unknown
        table = MergeTable(merges)
        var ids = ByteStringTable(capacity: contents.count)
        for content in contents { _ = ids.insert(content) }
        precondition(ids.count == contents.count, "tokens are distinct")
        idOfByte = (UInt8(0)...255).map { byte in ids.find(ByteLevelAlphabet.text([byte])).map(Int32.init) ?? -1 }
        coversAllBytes = !idOfByte.contains(-1)
        self.ids = ids
    }

    func id(of content: [UInt8]) -> Int32? { ids.find(content).map(Int32.init) }
}
