/// The properties of a line that tell a wrapped line from one that ends where its author ended it.
///
/// Lengths are in characters (Unicode scalars), without trailing white space.
public struct LineShape: Sendable {
    /// Length including the indentation; 0 for a blank line.
    public private(set) var length = 0
    public private(set) var indentation = 0
    /// Length of the first word; 1 in scripts that wrap between any two characters.
    public private(set) var firstWordLength = 0
    /// Case of the first letter; nil if the line begins with another character or its script has no case.
    public private(set) var startsWithCapital: Bool?
    /// Whether the last character, apart from closing quotes and brackets, ends a sentence.
    public private(set) var endsSentence = false
    /// Whether the line has a letter or a digit.
    public private(set) var hasWords = false
    /// Whether the line begins with the mark of a list item, a heading, a quotation, a table row or a code fence.
    public private(set) var startsBlock = false
    /// Whether the line has columns: a tab or four spaces between words.
    public private(set) var isTabular = false
    /// Whether the line begins with a short name and a colon, as in a play or an interview.
    public private(set) var hasSpeaker = false

    public var isBlank: Bool { length == 0 }

    /// - Parameter line: valid UTF-8 without its line end
    public init(_ line: [UInt8]) {
        var index = 0
        var characters = 0
        var spaces = 0
        var isInFirstWord = true
        while index < line.count {
            let (scalar, width) = line.character(at: index)
            index += width
            characters += 1
            if isWhiteSpace(scalar) {
                spaces += scalar == 0x09 ? 4 : 1
                continue
            }
            if length == 0 {
                indentation = spaces
                startsWithCapital = Self.isCapital(scalar)
                if isUnspaced(scalar) { (firstWordLength, isInFirstWord) = (1, false) }
            } else if spaces > 0 {
                isInFirstWord = false
                if spaces >= 4 { isTabular = true }
            }
            if isInFirstWord { firstWordLength += 1 }
            spaces = 0
            length = characters
            if isWordCharacter(scalar) { hasWords = true }
            if !isClosing(scalar) { endsSentence = isSentenceEnd(scalar) }
        }
        guard length > 0 else { return }
        startsBlock = Self.startsBlock(line)
        hasSpeaker = startsWithCapital != false && Self.startsWithSpeaker(line)
    }

    /// Whether the next line could not begin on this one, so that this one may have been wrapped.
    /// - Parameter width: the width of the text in characters
    func isFull(before next: LineShape, width: Int) -> Bool {
        length + 1 + next.firstWordLength > width - max(2, width / 10)
    }

    private static func isCapital(_ scalar: UInt32) -> Bool? {
        guard let properties = Unicode.Scalar(scalar)?.properties else { return nil }
        switch properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter: return true
        case .lowercaseLetter: return false
        default: return nil
        }
    }

    /// Whether the line begins with one to three words, without digits, and a colon before a space or the end.
    private static func startsWithSpeaker(_ line: [UInt8]) -> Bool {
        guard let colon = line.prefix(64).firstIndex(of: UInt8(ascii: ":")) else { return false }
        let name = Array(line[..<colon])
        let after = colon + 1 < line.count ? line[colon + 1] : 0x20
        guard after == 0x20 || after == 0x09, !name.contains(where: { (0x30...0x39).contains($0) }) else {
            return false
        }
        return (1...3).contains(name.wordCount(upTo: 4))
    }

    private static func startsBlock(_ line: [UInt8]) -> Bool {
        let text = line.drop { $0 == 0x20 || $0 == 0x09 }
        guard let first = text.first else { return false }
        let second = text.dropFirst().first ?? 0x20
        switch first {
        case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+"): return second == 0x20 || second == first
        case UInt8(ascii: "#"), UInt8(ascii: ">"), UInt8(ascii: "|"), UInt8(ascii: "%"): return true
        case UInt8(ascii: "`"), UInt8(ascii: "~"): return second == first
        case 0xE2:
            // •, ‣, ◦ and the dashes – and — before a space.
            let mark = Array(text.prefix(3))
            return [[0xE2, 0x80, 0xA2], [0xE2, 0x80, 0xA3], [0xE2, 0x97, 0xA6]].contains(mark)
                || [[0xE2, 0x80, 0x93], [0xE2, 0x80, 0x94]].contains(mark) && text.dropFirst(3).first == 0x20
        default: break
        }
        // 1. 12) a) (iv)
        let label = text.first == UInt8(ascii: "(") ? text.dropFirst() : text
        let name = label.prefix { isASCIIWord($0) }
        let rest = label.dropFirst(name.count)
        guard let mark = rest.first, rest.dropFirst().first ?? 0x20 == 0x20 else { return false }
        let isNumber = !name.isEmpty && name.count <= 3 && name.allSatisfy { (0x30...0x39).contains($0) }
        return isNumber && (mark == UInt8(ascii: ".") || mark == UInt8(ascii: ")"))
            || name.count == 1 && mark == UInt8(ascii: ")")
    }

    private static func isASCIIWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
    }
}

/// Whether the character belongs to a script without spaces between words: Chinese and Japanese.
func isUnspaced(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x2E80...0x2FDF, 0x3000...0x30FF, 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF,
        0xFF00...0xFF60, 0x20000...0x3FFFF:
        true
    default: false
    }
}

/// Whether the character ends a sentence.
func isSentenceEnd(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x21, 0x2E, 0x3F, 0x2026, 0x0589, 0x061F, 0x06D4, 0x0964, 0x0965, 0x203C...0x203D, 0x2047...0x2049, 0x3002,
        0xFF01, 0xFF0E, 0xFF1F, 0xFF61:
        true
    default: false
    }
}

/// Whether the character may follow the end of a sentence: a closing quotation mark or bracket.
func isClosing(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x22, 0x27, 0x29, 0x5D, 0x7D, 0xAB, 0xBB, 0x2018, 0x2019, 0x201C, 0x201D, 0x3009, 0x300B, 0x300D, 0x300F,
        0x3011, 0x3015, 0xFF09:
        true
    default: false
    }
}
