import TextReading

/// The encodings that switch character sets by escape sequences and use only seven bits.
enum ISO2022 {
    private static let korean = ["ISO-2022-KR"].compactMap { EncodingName($0) }
    private static let chinese = ["ISO-2022-CN", "ISO-2022-CN-EXT"].compactMap { EncodingName($0) }
    /// JIS X 0213 and JIS X 0212 need separate converters.
    private static let japanese = ["ISO-2022-JP", "ISO-2022-JP-2"].compactMap { EncodingName($0) }

    private static let designations: [(sequence: [UInt8], encodings: [EncodingName])] = [
        ("\u{1B}$)C", korean), ("\u{1B}$)A", chinese), ("\u{1B}$)G", chinese),
        ("\u{1B}$B", japanese), ("\u{1B}$@", japanese), ("\u{1B}$(D", japanese),
    ].map { (Array($0.0.utf8), $0.1) }

    private static let longest = 4

    /// Returns the encodings that the first designation of a set with two bytes per character belongs to, the most usual
    /// first. Terminals also switch sets, but never to one of these.
    static func find(_ region: FileRegion) throws -> [EncodingName]? {
        var (tail, found): ([UInt8], [EncodingName]?) = ([], nil)
        try region.forEachPiece { piece in
            if found != nil { return }
            let bytes = tail + Array(piece)
            found = first(in: bytes)
            tail = Array(bytes.suffix(longest - 1))
        }
        return found
    }

    private static func first(in bytes: [UInt8]) -> [EncodingName]? {
        for place in bytes.indices where bytes[place] == 0x1B {
            if let found = designations.first(where: { bytes[place...].starts(with: $0.sequence) }) {
                return found.encodings
            }
        }
        return nil
    }
}
