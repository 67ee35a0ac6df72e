/// Where a line, paragraph or record is cut that is longer than anybody writes one: it is trained on piece by piece, so that the
/// memory it takes is bounded.
enum LongText {
    /// Bytes of a unit of text that stays whole: a thousand pages' paragraph.
    static let limit = 2 << 20

    /// Where the first piece of a text ends: before the last white space that `limit` reaches, so that no word is cut, else
    /// between two characters.
    /// - Returns: nil where it is not too long
    static func cut(_ text: [UInt8]) -> Int? {
        guard text.count > limit else { return nil }
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        for place in stride(from: limit, to: 0, by: -1) where isSpace(text[place]) && !isSpace(text[place - 1]) {
            return place
        }
        var place = limit
        while place > limit - 4, text[place] & 0xC0 == 0x80 { place -= 1 }
        return place
    }
}
