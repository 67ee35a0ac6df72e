/// The encodings that switch character sets by escape sequences and use only seven bits.
enum ISO2022 {
    private static let designations: [(sequence: [UInt8], name: String)] = [
        ("\u{1B}$)C", "ISO-2022-KR"), ("\u{1B}$)A", "ISO-2022-CN"), ("\u{1B}$)G", "ISO-2022-CN"),
        ("\u{1B}$B", "ISO-2022-JP"), ("\u{1B}$@", "ISO-2022-JP"), ("\u{1B}$(D", "ISO-2022-JP"),
    ].map { (Array($0.0.utf8), $0.1) }

    private static let longest = 4

    /// Returns the name of the encoding that the first designation of a set with two bytes per character belongs to.
    /// Terminals also switch sets, but never to one of these.
    static func find(_ region: FileRegion) throws -> String? {
        var (tail, found): ([UInt8], String?) = ([], nil)
        try region.forEachPiece { piece in
            if found != nil { return }
            let bytes = tail + Array(piece)
            found = first(in: bytes)
            tail = Array(bytes.suffix(longest - 1))
        }
        return found
    }

    private static func first(in bytes: [UInt8]) -> String? {
        for place in bytes.indices where bytes[place] == 0x1B {
            if let found = designations.first(where: { bytes[place...].starts(with: $0.sequence) }) {
                return found.name
            }
        }
        return nil
    }
}
