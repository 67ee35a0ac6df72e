import Glibc

/// Encodes file names, which are bytes on Linux, as text. Each byte that is not valid UTF-8 becomes the private-use
/// character U+10FF00 + byte, which makes the encoding reversible (also for names that contain such a character).
///
/// Characters that have another form which Unicode considers equivalent, such as a letter and an accent as macOS writes
/// them, are encoded in the same way: Swift compares strings by equivalence, but such names are different files.
package enum RawPath {
    private static let escapes = UInt32(0x10FF00)...UInt32(0x10FFFF)
    /// The first byte of these characters in UTF-8. Text without this byte contains no escapes.
    fileprivate static let firstByte: UInt8 = 0xF4

    /// Returns the text for the bytes of a name.
    package static func text(_ bytes: some Collection<UInt8>) -> String {
        let bytes = Array(bytes)
        if let text = String(validating: bytes, as: UTF8.self), !mustEscape(text) { return text }
        var text = String.UnicodeScalarView()
        var index = 0
        while index < bytes.count {
            let lengths = 1...min(4, bytes.count - index)
            let whole = lengths.lazy.compactMap { length -> String? in
                String(validating: bytes[index..<index + length], as: UTF8.self)
            }.first { !mustEscape($0) }
            if let whole {
                text.append(contentsOf: whole.unicodeScalars)
                index += whole.utf8.count
            } else {
                text.append(Unicode.Scalar(escapes.lowerBound + UInt32(bytes[index]))!)
                index += 1
            }
        }
        return String(text)
    }

    /// Escapes text for display and records: `\xE9` for a byte that is not UTF-8, `\x0A` for a control character in ASCII, and
    /// `\u{202E}` for another one.
    package static func printable(_ text: String) -> String {
        guard text.utf8.contains(where: mayBeginEscaped) else { return text }
        return shownCharacters(text).reduce(into: "") { printable, scalar in
            if escapes.contains(scalar.value) {
                printable += "\\x" + digits(scalar.value - escapes.lowerBound)
            } else if !isControl(scalar.value) {
                printable.unicodeScalars.append(scalar)
            } else if scalar.isASCII {
                printable += "\\x" + digits(scalar.value)
            } else {
                printable += "\\u{" + digits(scalar.value) + "}"
            }
        }
    }

    /// Decodes the characters that are only escaped because they have an equivalent form.
    private static func shownCharacters(_ text: String) -> String.UnicodeScalarView {
        guard text.utf8.contains(firstByte) else { return text.unicodeScalars }
        var shown = String.UnicodeScalarView()
        var rest = Substring(text).unicodeScalars
        while let scalar = rest.first {
            let run = rest.prefix(4).prefix { escapes.contains($0.value) }.map { UInt8($0.value - escapes.lowerBound) }
            let decoded = (1...4).lazy.filter { $0 <= run.count }
                .compactMap { String(validating: run[..<$0], as: UTF8.self) }.first
            if let only = decoded?.unicodeScalars.first, !only.isASCII, !escapes.contains(only.value) {
                shown.append(only)
                rest = rest.dropFirst(decoded!.utf8.count)
            } else {
                shown.append(scalar)
                rest = rest.dropFirst()
            }
        }
        return shown
    }

    /// Whether `printable` changed the text, or may have.
    package static func hasEscapeForDisplay(_ printable: String) -> Bool {
        printable.contains("\\x") || printable.contains("\\u{")
    }

    private static func digits(_ value: UInt32) -> String {
        (value < 0x10 ? "0" : "") + String(value, radix: 16, uppercase: true)
    }

    /// Whether this can be the first byte of a character that `printable` escapes: of U+0080 to U+009F it is 0xC2, of U+2028 and
    /// others 0xE2.
    private static func mayBeginEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x7F || byte == 0xC2 || byte == 0xE2 || byte == firstByte
    }

    /// Control characters, line separators, and marks that change the direction of the text after them.
    private static func isControl(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Same as `printable`, but shortened to 500 bytes by omitting the middle. Used in messages.
    package static func shown(_ text: String) -> String { printable(text).boundedInTheMiddle(toBytes: 500) }

    private static func mustEscape(_ text: String) -> Bool {
        text.utf8.contains { $0 >= 0x80 }
            && text.unicodeScalars.contains { escapes.contains($0.value) || hasEquivalentForm($0) }
    }

    /// Whether a character can be part of a sequence for which there is another one with the same meaning, apart from the
    /// composed characters that most systems write (Unicode Standard Annex 15).
    private static func hasEquivalentForm(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x300 else { return false }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: return true
        default: break
        }
        // Conjoining Hangul, and characters that always stand for others, such as the Kelvin sign.
        return (0x1100...0x11FF).contains(scalar.value) || properties.isFullCompositionExclusion
    }

    fileprivate static func bytes(_ text: String) -> [UInt8] {
        text.unicodeScalars.flatMap { scalar -> [UInt8] in
            escapes.contains(scalar.value)
                ? [UInt8(scalar.value - escapes.lowerBound)] : Array(String(scalar).utf8)
        }
    }
}

extension String {
    /// Calls `body` with the bytes of a path as the kernel expects them.
    package func withRawPath<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        // Almost every path is its own encoding.
        guard utf8.contains(RawPath.firstByte) else { return try withCString(body) }
        return try (RawPath.bytes(self) + [0]).withUnsafeBufferPointer { bytes in
            try bytes.withMemoryRebound(to: CChar.self) { try body($0.baseAddress!) }
        }
    }
}
