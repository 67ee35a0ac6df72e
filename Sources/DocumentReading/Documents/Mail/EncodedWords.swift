import TextReading
import UTF8Sequences

/// The text of a header field whose words may be encoded (RFC 2047), such as `=?utf-8?Q?caf=C3=A9?=`.
struct EncodedWords {
    private(set) var text: [UInt8] = []
    /// Number of encoded words that cannot be decoded. They stay as they are.
    private(set) var undecodable = 0
    /// The decoded bytes of consecutive words in the same encoding, because a character can be split between them.
    private var pending: (encoding: EncodingName, bytes: [UInt8], source: Range<Int>)?
    private let field: [UInt8]

    init(_ field: [UInt8]) {
        self.field = field
        var rest = field[...]
        // White space between encoded words is not part of the text.
        var space: ArraySlice<UInt8> = []
        while let first = rest.first {
            if first <= 0x20 {
                space = rest.prefix { $0 <= 0x20 }
                rest = rest.dropFirst(space.count)
            } else if let word = Self.word(rest) {
                if pending == nil { text.append(contentsOf: space) }
                append(word.encoding, word.bytes, rest.startIndex..<word.end)
                (space, rest) = ([], rest[word.end...])
            } else {
                flush()
                text.append(contentsOf: space)
                text.append(first)
                (space, rest) = ([], rest.dropFirst())
            }
        }
        flush()
    }

    private mutating func append(_ encoding: EncodingName, _ bytes: [UInt8], _ source: Range<Int>) {
        if let last = pending, last.encoding == encoding {
            pending = (encoding, last.bytes + bytes, last.source.lowerBound..<source.upperBound)
        } else {
            flush()
            pending = (encoding, bytes, source)
        }
    }

    private mutating func flush() {
        guard let (encoding, bytes, source) = pending else { return }
        pending = nil
        if let decoded = Self.decode(bytes, encoding) {
            text.append(contentsOf: decoded)
        } else {
            undecodable += 1
            text.append(contentsOf: field[source])
        }
    }

    private static func decode(_ bytes: [UInt8], _ encoding: EncodingName) -> [UInt8]? {
        if encoding.isUTF8 { return bytes.isUTF8 ? bytes : nil }
        if encoding == .known("HZ-GB-2312") { return HZDecoder()?.decode(whole: bytes) }
        return IconvDecoder(encoding)?.decode(whole: bytes)
    }

    /// Returns the encoded word at the beginning.
    private static func word(_ text: ArraySlice<UInt8>) -> (encoding: EncodingName, bytes: [UInt8], end: Int)? {
        guard text.starts(with: Array("=?".utf8)) else { return nil }
        let mark = UInt8(ascii: "?")
        guard let afterName = text.dropFirst(2).firstIndex(of: mark),
            let afterForm = text[(afterName + 1)...].firstIndex(of: mark), afterForm == afterName + 2,
            let end = text[(afterForm + 1)...].firstIndex(of: mark), end + 1 < text.endIndex,
            text[end + 1] == UInt8(ascii: "=")
        else { return nil }
        // A language can follow the name (RFC 2231).
        let name = text[(text.startIndex + 2)..<afterName].prefix { $0 != UInt8(ascii: "*") }
        guard let encoding = EncodingName(String(decoding: name, as: UTF8.self)) else { return nil }
        let encoded = text[(afterForm + 1)..<end]
        switch text[afterName + 1].asciiLowerCase {
        case UInt8(ascii: "b"): return (encoding, TransferEncoding.decodeBase64(encoded).bytes, end + 2)
        case UInt8(ascii: "q"): return (encoding, decodeQ(encoded), end + 2)
        default: return nil
        }
    }

    private static func decodeQ(_ encoded: ArraySlice<UInt8>) -> [UInt8] {
        let spaced = encoded.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: " ") : $0 }
        // A space at the end would be taken for one that was added in transit.
        let (bytes, _) = TransferEncoding.quotedPrintable.decode(spaced + [UInt8(ascii: "|")])
        return bytes.dropLast()
    }
}

extension [UInt8] {
    var isUTF8: Bool {
        withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { UTF8Sequence.validPrefix($0, bytes.count) == bytes.count } ?? true
        }
    }
}
