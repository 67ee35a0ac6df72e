import TextFilters

/// Divides long lines, paragraphs and records into pieces, each of which is a sample of its own.
///
/// Without this, a text without blank lines would be a single sample, either trained on or held out as a whole, and
/// memory use would not be bounded. The pieces of a unit are consecutive and have all of its bytes.
enum LongUnit {
    /// Maximum size of a unit that is not divided, in bytes.
    static let longestWhole = 2 << 10
    /// Maximum size of a piece in bytes, except for the last one: small enough that a text of 100 KB has about 200
    /// pieces.
    static let pieceBytes = 512
    /// Maximum size of the last piece of a unit in bytes. Larger than that of the others, so that no unit ends with a
    /// piece of a few words.
    static let lastPieceBytes = 768

    /// Returns the size of the first piece of a text with more than `lastPieceBytes` bytes: up to the last line end, or else
    /// sentence end, in most of that range; or else white space; or else the end of a character.
    static func cut(_ text: [UInt8]) -> Int {
        let range = stride(from: pieceBytes, to: pieceBytes / 4, by: -1)
        for place in range where text.lengthOfLineEnd(at: place) > 0 { return place }
        for place in range where endsSentence(text, place) { return place }
        for place in stride(from: pieceBytes, to: 0, by: -1) where isSpace(text[place]) && !isSpace(text[place - 1]) {
            return place
        }
        var place = pieceBytes
        while place > pieceBytes - 4, text[place] & 0xC0 == 0x80 { place -= 1 }
        return place
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func endsSentence(_ text: [UInt8], _ place: Int) -> Bool {
        guard isSpace(text[place]) else {
            // 。！？ are not followed by a space, but perhaps by a closing bracket such as 」, E3 80 8D.
            let mark = text[(place - 3)..<place]
            return (mark == [0xE3, 0x80, 0x82] || mark == [0xEF, 0xBC, 0x81] || mark == [0xEF, 0xBC, 0x9F])
                && !(text[place] == 0xE3 && text[place + 1] == 0x80)
        }
        guard !isSpace(text[place - 1]) else { return false }
        var end = place
        // Up to three closing quotation marks or brackets: ' " ) ] and the typographic ones, E2 80 98…9D.
        for _ in 0..<3 {
            if [0x22, 0x27, 0x29, 0x5D].contains(text[end - 1]) {
                end -= 1
            } else if text[end - 3] == 0xE2, text[end - 2] == 0x80, (0x98...0x9D).contains(text[end - 1]) {
                end -= 3
            }
        }
        if [UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?")].contains(text[end - 1]) { return true }
        let mark = text[(end - 3)..<end]
        // … and the danda ।
        return mark == [0xE2, 0x80, 0xA6] || mark == [0xE0, 0xA5, 0xA4]
    }
}
