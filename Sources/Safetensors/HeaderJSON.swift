import FoundationEssentials

/// A parser for the subset of JSON used in headers and in the index of shards. Every access to `bytes` is preceded by a bounds check.
package struct HeaderJSON {
    private let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func flaw(expected: String) -> SafetensorsHeader.Flaw {
        SafetensorsHeader.Flaw(reason: "expected \(expected) at byte \(position)")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Skips whitespace, then consumes the given character if it is next.
    private mutating func takes(_ byte: Unicode.Scalar) -> Bool {
        while let space = next, [0x20, 0x09, 0x0A, 0x0D].contains(space) { position += 1 }
        guard next == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    private mutating func take(_ byte: Unicode.Scalar) throws(SafetensorsHeader.Flaw) {
        guard takes(byte) else { throw flaw(expected: "“\(byte)”") }
    }

    package mutating func end() throws(SafetensorsHeader.Flaw) {
        _ = takes(" ")
        guard next == nil else { throw flaw(expected: "the end of the header") }
    }

    /// Parses an object, calling `member` with each key; `member` must parse the value.
    package mutating func object(
        _ member: (inout HeaderJSON, String) throws(SafetensorsHeader.Flaw) -> Void
    ) throws(SafetensorsHeader.Flaw) {
        try take("{")
        if takes("}") { return }
        repeat {
            let key = try string()
            try take(":")
            try member(&self, key)
        } while takes(",")
        try take("}")
    }

    package mutating func numbers(atMost limit: Int) throws(SafetensorsHeader.Flaw) -> [Int] {
        var numbers: [Int] = []
        try take("[")
        if takes("]") { return numbers }
        repeat {
            guard numbers.count < limit else { throw flaw(expected: "at most \(limit) numbers") }
            numbers.append(try number())
        } while takes(",")
        try take("]")
        return numbers
    }

    /// Parses a non-negative integer of up to 18 digits, which is less than 2⁶⁰.
    private mutating func number() throws(SafetensorsHeader.Flaw) -> Int {
        _ = takes(" ")
        var (value, digits) = (0, 0)
        while let digit = next, (0x30...0x39).contains(digit), digits < 18 {
            value = value * 10 + Int(digit - 0x30)
            digits += 1
            position += 1
        }
        guard digits > 0 else { throw flaw(expected: "a non-negative integer") }
        return value
    }

    package mutating func string() throws(SafetensorsHeader.Flaw) -> String {
        try take("\"")
        let start = position
        var isEscaped = false
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw flaw(expected: "no control character in a string") }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        guard next != nil else { throw flaw(expected: "a closing quote") }
        let content = bytes[start..<position]
        position += 1
        if isEscaped {
            let quoted = Data([UInt8(ascii: "\"")] + content + [UInt8(ascii: "\"")])
            guard let text = try? JSONDecoder().decode(String.self, from: quoted) else {
                throw flaw(expected: "a valid string")
            }
            return text
        }
        guard let text = String(validating: content, as: UTF8.self) else { throw flaw(expected: "valid UTF-8") }
        return text
    }

    /// Skips a string, a number, `true`, `false` or `null`.
    package mutating func skipScalar() throws(SafetensorsHeader.Flaw) {
        _ = takes(" ")
        if next == UInt8(ascii: "\"") {
            _ = try string()
            return
        }
        let start = position
        while let byte = next, Self.scalarBytes.contains(byte) { position += 1 }
        guard position > start else { throw flaw(expected: "a string or a number") }
    }

    /// The bytes of numbers, `true`, `false` and `null`.
    private static let scalarBytes = Set("+-.0123456789Eaeflnrstu".utf8)
}
