import TextReading

/// How the body of a part is written as lines of ASCII (RFC 2045, section 6).
enum TransferEncoding {
    case identity, quotedPrintable, base64

    /// Returns nil if the encoding is unknown.
    /// - Parameter name: the name in lower case
    init?(_ name: String) {
        switch name {
        case "", "7bit", "8bit", "binary": self = .identity
        case "quoted-printable": self = .quotedPrintable
        case "base64": self = .base64
        default: return nil
        }
    }

    /// Returns the bytes that were encoded and whether the encoding is damaged. What is damaged is decoded as far as
    /// possible.
    func decode(_ bytes: [UInt8]) -> (bytes: [UInt8], isDamaged: Bool) {
        switch self {
        case .identity: (bytes, false)
        case .quotedPrintable: Self.decodeQuotedPrintable(bytes)
        case .base64: Self.decodeBase64(bytes[...])
        }
    }

    /// Returns the end of the encoded bytes. Mailing lists append footers to base64 without encoding them.
    func end(_ bytes: [UInt8]) -> Int {
        guard case .base64 = self else { return bytes.count }
        var footer: Int?
        var rest = bytes[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            let line = Base64Line(rest[..<end])
            if footer == nil, !line.isPossible { footer = rest.startIndex }
            // Base64 continues, so what looked like a footer is damage.
            if footer != nil, line.isCertain { return bytes.count }
            rest = rest[end...]
        }
        return footer ?? bytes.count
    }

    private struct Base64Line {
        /// Whether the whole line is base64, and too long to be a word.
        let isCertain: Bool
        /// Whether most of the line is base64.
        let isPossible: Bool

        private static let longestWord = 39

        init(_ line: ArraySlice<UInt8>) {
            var (valid, invalid, words, word, longest) = (0, 0, 0, 0, 0)
            for byte in line {
                if byte <= 0x20 {
                    word = 0
                    continue
                }
                if word == 0 { words += 1 }
                word += 1
                longest = max(longest, word)
                if byte.base64Value != nil || byte == UInt8(ascii: "=") { valid += 1 } else { invalid += 1 }
            }
            isCertain = invalid == 0 && longest > Self.longestWord
            isPossible = invalid * 10 <= valid && (words <= 1 || longest > Self.longestWord)
        }
    }

    // MARK: Quoted-printable

    private static func decodeQuotedPrintable(_ bytes: [UInt8]) -> (bytes: [UInt8], isDamaged: Bool) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var isDamaged = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "="):
                if index + 1 < bytes.count, let high = bytes[index].hexadecimalValue,
                    let low = bytes[index + 1].hexadecimalValue
                {
                    output.append(high << 4 | low)
                    index += 2
                } else if let end = endOfSoftBreak(bytes, index) {
                    index = end
                } else {
                    output.append(byte)
                    isDamaged = true
                }
            case UInt8(ascii: " "), UInt8(ascii: "\t"):
                // White space at the end of a line was added in transit.
                var end = index
                while end < bytes.count, bytes[end].isSpaceOrTab { end += 1 }
                if end < bytes.count, bytes[end] != UInt8(ascii: "\n"), bytes[end] != UInt8(ascii: "\r") {
                    output.append(contentsOf: bytes[(index - 1)..<end])
                }
                index = end
            default: output.append(byte)
            }
        }
        return (output, isDamaged)
    }

    /// Returns the end of the line if nothing but white space is before it.
    private static func endOfSoftBreak(_ bytes: [UInt8], _ begin: Int) -> Int? {
        var index = begin
        while index < bytes.count, bytes[index].isSpaceOrTab || bytes[index] == UInt8(ascii: "\r") { index += 1 }
        guard index < bytes.count else { return index }
        return bytes[index] == UInt8(ascii: "\n") ? index + 1 : nil
    }

    // MARK: Base64

    /// Padding is skipped wherever it is, because programs join texts that were encoded one by one.
    static func decodeBase64(_ bytes: ArraySlice<UInt8>) -> (bytes: [UInt8], isDamaged: Bool) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count / 4 * 3 + 3)
        var (bits, count) = (UInt32(0), 0)
        var isDamaged = false
        func flush(_ output: inout [UInt8]) {
            if count == 1 { isDamaged = true }
            if count >= 2 { output.append(UInt8(truncatingIfNeeded: bits >> (6 * UInt32(count) - 8))) }
            if count == 3 { output.append(UInt8(truncatingIfNeeded: bits >> 2)) }
            (bits, count) = (0, 0)
        }
        for byte in bytes {
            if let value = byte.base64Value {
                bits = bits << 6 | UInt32(value)
                count += 1
                guard count == 4 else { continue }
                output.append(UInt8(truncatingIfNeeded: bits >> 16))
                output.append(UInt8(truncatingIfNeeded: bits >> 8))
                output.append(UInt8(truncatingIfNeeded: bits))
                (bits, count) = (0, 0)
            } else if byte == UInt8(ascii: "=") {
                flush(&output)
            } else if byte > 0x20 {
                isDamaged = true
            }
        }
        flush(&output)
        return (output, isDamaged)
    }
}

extension [UInt8] {
    /// The lines without one `>` of those that would look like the beginning of a message in a mailbox.
    var withoutPostmarkQuotes: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(count)
        var rest = self[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            output.append(contentsOf: rest[..<end].dropFirst(MailLine.isQuotedPostmark(rest[..<end]) ? 1 : 0))
            rest = rest[end...]
        }
        return output
    }
}

extension UInt8 {
    var hexadecimalValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
