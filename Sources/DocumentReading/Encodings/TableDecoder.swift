/// Decodes an encoding in which each character has one to four bytes and ASCII stands for itself, several times as fast
/// as iconv, by caching what iconv returns for each character of one or two bytes.
final class TableDecoder: Decoder {
    private let iconv: IconvDecoder
    /// The characters of one byte.
    private let single: [Entry]
    /// The characters of two bytes that have occurred so far.
    private var double: [Entry]
    private static let longestCharacter = 4
    /// Number of bytes that are stored at once, of which not all may be text.
    private static let storedBytes = 8

    /// The UTF-8 of a character in the upper seven bytes, its length or one of the markers below in the lowest byte.
    private struct Entry {
        var value: UInt64 = 0

        static let unknown = Entry()
        static let incomplete = Entry(value: 0xFE)
        static let undecodable = Entry(value: 0xFF)

        var length: Int { Int(truncatingIfNeeded: value & 0xFF) }
        var isCharacter: Bool { length &- 1 < 7 }

        init(value: UInt64 = 0) { self.value = value }

        init(_ text: [UInt8]) {
            guard !text.isEmpty, text.count <= 7 else {
                self = .undecodable
                return
            }
            value = text.reversed().reduce(0) { $0 << 8 | UInt64($1) } << 8 | UInt64(text.count)
        }
    }

    /// - Parameter name: a name for `iconv_open`
    /// - Returns: nil if the encoding is unknown
    init?(_ name: String) {
        guard let iconv = IconvDecoder(name) else { return nil }
        self.iconv = iconv
        single = (0...255).map { byte in
            if byte < 0x80 { return Entry([UInt8(byte)]) }
            if let text = iconv.decode(whole: [UInt8(byte)]) { return Entry(text) }
            return .incomplete
        }
        double =
            single.contains { $0.value == Entry.incomplete.value } ? Array(repeating: .unknown, count: 1 << 16) : []
    }

    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int {
        var index = 0
        while index < input.count {
            var isFull = false
            try output.withFreeSpace { space in
                let written = decodeShort(input, &index, isLast: isLast, to: space)
                isFull = written + Self.storedBytes > space.count
                return written
            }
            if isFull { continue }
            let rest = input.count - index
            guard rest >= Self.longestCharacter || isLast, rest > 0 else { break }
            index += try decodeLong(UnsafeRawBufferPointer(rebasing: input[index...]), to: output)
        }
        return index
    }

    /// Decodes until the input ends, the space is full, or neither one byte nor two are a character.
    /// - Returns: how many bytes were written
    private func decodeShort(
        _ input: UnsafeRawBufferPointer, _ position: inout Int, isLast: Bool, to space: UnsafeMutableRawBufferPointer
    ) -> Int {
        single.withUnsafeBufferPointer { single in
            double.withUnsafeMutableBufferPointer { double in
                var (index, written) = (position, 0)
                defer { position = index }
                while index < input.count, written + Self.storedBytes <= space.count {
                    if index + 8 <= input.count {
                        let word = input.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                        if word & 0x8080_8080_8080_8080 == 0 {
                            space.storeBytes(of: word, toByteOffset: written, as: UInt64.self)
                            index += 8
                            written += 8
                            continue
                        }
                    }
                    var (entry, consumed) = (single[Int(input[index])], 1)
                    if !entry.isCharacter {
                        let rest = input.count - index
                        guard rest >= Self.longestCharacter || isLast && rest >= 2 else { break }
                        let pair = Int(input[index]) << 8 | Int(input[index + 1])
                        if double[pair].value == Entry.unknown.value {
                            double[pair] = lookUp([input[index], input[index + 1]])
                        }
                        (entry, consumed) = (double[pair], 2)
                        guard entry.isCharacter else { break }
                    }
                    space.storeBytes(of: entry.value >> 8, toByteOffset: written, as: UInt64.self)
                    index += consumed
                    written += entry.length
                }
                return written
            }
        }
    }

    private func lookUp(_ bytes: [UInt8]) -> Entry { iconv.decode(whole: bytes).map { Entry($0) } ?? .incomplete }

    /// Decodes a character of three or four bytes.
    /// - Returns: how many bytes it has, or 1 if there is none
    private func decodeLong(_ input: UnsafeRawBufferPointer, to output: DecodedText) throws -> Int {
        for count in 3...Self.longestCharacter where count <= input.count {
            if let text = iconv.decode(whole: Array(input[..<count])), text.count <= 7, isOne(text) {
                try text.withUnsafeBytes { try output.append($0) }
                return count
            }
        }
        try output.replace(1)
        return 1
    }

    /// Whether a text is one character, not one followed by another in the bytes that were added.
    private func isOne(_ text: [UInt8]) -> Bool {
        text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } == 1
    }
}
