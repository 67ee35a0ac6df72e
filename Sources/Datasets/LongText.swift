/// Splits extremely long lines, paragraphs and records into pieces, which are separate samples, so that
/// memory use is bounded.
enum LongText {
    /// Maximum size of a unit of text that is not split, in bytes: a paragraph of a thousand pages.
    static let limit = 2 << 20

    /// Returns the end of the first piece: before the last white space within `limit`, so that no word is split, or
    /// else between two characters.
    /// - Returns: nil if the text is within the limit
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
