/// The set of characters that the `keep` filter retains, written like a character class of a regular expression: `a-z
/// '`.
///
/// A character represents itself, and `a-z` all characters from a to z. A `-` at the start or end represents itself. A
/// space represents all white space, as Python's `\s` does. Characters are Unicode scalars.
public struct KeptCharacters: Sendable, Hashable {
    /// The set as written.
    public let text: String
    /// One bit per ASCII character.
    let ascii: (UInt64, UInt64)
    private let others: [ClosedRange<UInt32>]
    private let keepsWhiteSpace: Bool

    static let expected = "characters and ranges such as \"a-z '\""

    public init(_ text: String) throws(TextFilterError) {
        let scalars = text.unicodeScalars.map(\.value)
        guard !scalars.isEmpty else {
            throw TextFilterError(key: "keep", expected: KeptCharacters.expected, found: "nothing")
        }
        var ranges: [ClosedRange<UInt32>] = []
        var index = 0
        while index < scalars.count {
            let first = scalars[index]
            guard index + 2 < scalars.count, scalars[index + 1] == UInt32(UInt8(ascii: "-")) else {
                ranges.append(first...first)
                index += 1
                continue
            }
            let last = scalars[index + 2]
            guard first <= last else {
                let written = String(String.UnicodeScalarView(text.unicodeScalars.dropFirst(index).prefix(3)))
                throw TextFilterError(key: "keep", expected: "ranges in ascending order", found: "‘\(written)’")
            }
            ranges.append(first...last)
            index += 3
        }
        self.text = text
        let keepsWhiteSpace = ranges.contains { $0.contains(0x20) }
        var bits: (UInt64, UInt64) = (0, 0)
        for character in UInt32(0)..<128 {
            guard ranges.contains(where: { $0.contains(character) }) || keepsWhiteSpace && isWhiteSpace(character)
            else { continue }
            if character < 64 { bits.0 |= 1 << UInt64(character) } else { bits.1 |= 1 << UInt64(character - 64) }
        }
        ascii = bits
        self.keepsWhiteSpace = keepsWhiteSpace
        others = ranges.filter { $0.upperBound >= 128 }
    }

    func contains(_ scalar: UInt32) -> Bool {
        if scalar < 128 {
            return (scalar < 64 ? ascii.0 >> UInt64(scalar) : ascii.1 >> UInt64(scalar - 64)) & 1 == 1
        }
        return others.contains { $0.contains(scalar) } || keepsWhiteSpace && isWhiteSpace(scalar)
    }

    public static func == (a: KeptCharacters, b: KeptCharacters) -> Bool { a.text == b.text }

    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
