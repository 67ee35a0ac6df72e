import FoundationEssentials

/// The JSON header of a safetensors file: `{"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
/// "__metadata__": {"KEY": "VALUE", …}}`.
///
/// The parser accepts only this structure, without duplicate keys, in time and memory proportional to the length.
struct SafetensorsHeader {
    struct Entry {
        let name: String
        let type: String
        let shape: [Int]
        /// Offsets relative to the end of the header.
        let begin: Int
        let end: Int
    }

    struct Flaw: Error {
        let reason: String
    }

    /// Maximum length of a header in bytes. A checkpoint of 512 layers with its moments has a header of 4 MB.
    static let longest = 1 << 23
    fileprivate static let longestName = 256
    fileprivate static let mostDimensions = 8

    private(set) var entries: [Entry] = []
    private(set) var metadata: [String: String] = [:]

    init(_ bytes: [UInt8]) throws(Flaw) {
        var reader = Reader(bytes)
        var names: Set<String> = []
        var hasMetadata = false
        try reader.object { reader, name throws(Flaw) in
            if name == "__metadata__" {
                guard !hasMetadata else { throw Flaw(reason: "`__metadata__` occurs twice") }
                hasMetadata = true
                var metadata: [String: String] = [:]
                try reader.object { reader, key throws(Flaw) in
                    let value = try reader.string()
                    guard metadata.updateValue(value, forKey: key) == nil else {
                        throw Flaw(reason: "`\(key.prefix(100))` of `__metadata__` occurs twice")
                    }
                }
                self.metadata = metadata
                return
            }
            guard name.utf8.count <= Self.longestName else {
                throw Flaw(reason: "a tensor name has more than \(Self.longestName) bytes")
            }
            guard names.insert(name).inserted else { throw Flaw(reason: "`\(name)` occurs twice") }
            entries.append(try Self.entry(name, &reader))
        }
        try reader.end()
    }

    private static func entry(_ name: String, _ reader: inout Reader) throws(Flaw) -> Entry {
        var (type, shape, offsets): (String?, [Int]?, [Int]?) = (nil, nil, nil)
        try reader.object { reader, key throws(Flaw) in
            switch key {
            case "dtype" where type == nil: type = String(try reader.string().prefix(16))
            case "shape" where shape == nil: shape = try reader.numbers(atMost: mostDimensions)
            case "data_offsets" where offsets == nil: offsets = try reader.numbers(atMost: 2)
            default:
                throw Flaw(
                    reason: "`\(name)` has the key `\(key.prefix(100))`, expected dtype, shape and data_offsets, "
                        + "once each")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2 else {
            throw Flaw(reason: "`\(name)` lacks its dtype, its shape or its two data_offsets")
        }
        guard offsets[0] <= offsets[1] else { throw Flaw(reason: "`\(name)` has decreasing data offsets \(offsets)") }
        return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
    }
}

/// A parser for the subset of JSON used in headers. Every access to `bytes` is preceded by a bounds check.
private struct Reader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

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

    mutating func end() throws(SafetensorsHeader.Flaw) {
        _ = takes(" ")
        guard next == nil else { throw flaw(expected: "the end of the header") }
    }

    /// Parses an object, calling `member` with each key; `member` must parse the value.
    mutating func object(
        _ member: (inout Reader, String) throws(SafetensorsHeader.Flaw) -> Void
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

    mutating func numbers(atMost limit: Int) throws(SafetensorsHeader.Flaw) -> [Int] {
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

    mutating func string() throws(SafetensorsHeader.Flaw) -> String {
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
}
