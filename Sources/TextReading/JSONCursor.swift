/// Reads a JSON value that `JSONScanner` has accepted, as Python's `json` does: `NaN` and `Infinity` are values, lone
/// surrogates become U+FFFD. A value that is cut off ends at the end of the bytes.
struct JSONCursor {
    private let bytes: [UInt8]
    private var index = 0
    /// Number of lone surrogates and NUL characters that were replaced in strings.
    private(set) var replaced = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The first byte of the next value or character of structure; nil at the end.
    private var next: UInt8? {
        mutating get {
            while index < bytes.count, JSONSequence.isSpace(bytes[index]) { index += 1 }
            return index < bytes.count ? bytes[index] : nil
        }
    }

    var isAtString: Bool {
        mutating get { next == UInt8(ascii: "\"") }
    }

    /// Reads a string, or skips another value and returns nil.
    mutating func string() -> String? {
        guard next == UInt8(ascii: "\"") else {
            skip()
            return nil
        }
        var string = JSONString()
        string.begin(keeping: .max)
        scanString { cursor, part, escaped in
            if let escaped {
                _ = string.takeEscaped(escaped)
            } else {
                cursor.bytes[part].withUnsafeBufferPointer { string.take($0) }
            }
        }
        string.finish()
        replaced += string.replaced
        return String(decoding: string.text, as: UTF8.self)
    }

    /// Calls `body` with the name of each member of an object; it must read or skip the value.
    /// - Returns: false if the value is no object, which is skipped
    mutating func members(_ body: (inout JSONCursor, String) -> Void) -> Bool {
        guard next == UInt8(ascii: "{") else {
            skip()
            return false
        }
        index += 1
        while let byte = next, byte != UInt8(ascii: "}") {
            guard byte == UInt8(ascii: "\"") else {
                index += 1
                continue
            }
            let name = string() ?? ""
            if next == UInt8(ascii: ":") { index += 1 }
            body(&self, name)
        }
        index += 1
        return true
    }

    /// Calls `body` for each element of an array; it must read or skip it.
    /// - Returns: false if the value is no array, which is skipped
    mutating func elements(_ body: (inout JSONCursor) -> Void) -> Bool {
        guard next == UInt8(ascii: "[") else {
            skip()
            return false
        }
        index += 1
        while let byte = next, byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: ",") { index += 1 } else { body(&self) }
        }
        index += 1
        return true
    }

    /// Skips the next value.
    mutating func skip() {
        var depth = 0
        repeat {
            guard let byte = next else { return }
            switch byte {
            case UInt8(ascii: "\""): scanString { _, _, _ in }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                index += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): index += 1
            default: skipWord()
            }
        } while depth > 0
    }

    /// Skips a number or a literal.
    private mutating func skipWord() {
        let ends = Array(",:]}\"[{".utf8)
        repeat {
            index += 1
        } while index < bytes.count && !ends.contains(bytes[index])
            && !JSONSequence.isSpace(bytes[index])
    }

    /// - Parameter take: receives runs of characters that are not escaped, and the bytes after each backslash
    private mutating func scanString(_ take: (JSONCursor, Range<Int>, _ escaped: UInt8?) -> Void) {
        index += 1
        var start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            guard bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count else {
                index += 1
                continue
            }
            if start < index { take(self, start..<index, nil) }
            // \uXXXX has four further bytes.
            let count = bytes[index + 1] == UInt8(ascii: "u") ? 5 : 1
            for place in (index + 1)..<min(bytes.count, index + 1 + count) { take(self, place..<place, bytes[place]) }
            index = min(bytes.count, index + 1 + count)
            start = index
        }
        if start < index { take(self, start..<index, nil) }
        index = min(bytes.count, index + 1)
    }
}
