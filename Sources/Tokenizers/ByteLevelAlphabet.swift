/// GPT-2's `bytes_to_unicode`, which maps each byte to a printable character so that a vocabulary can be stored as
/// text.
///
/// Printable Latin-1 bytes map to themselves. The other 68 bytes map to U+0100, U+0101, … in ascending order.
enum ByteLevelAlphabet {
    /// The character of each byte. All of them are below U+0800.
    static let characters: [UInt16] = {
        var next: UInt16 = 0x100
        return (UInt16(0)..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The bytes sorted by their characters, which is the order of the ids of the alphabet.
    static let bytesInOrder: [UInt8] = (UInt8(0)...255).sorted { characters[Int($0)] < characters[Int($1)] }

    /// The byte of each character below U+0144, or -1 if there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = Int16(byte) }
        return bytes
    }()

    static func byte(of character: Unicode.Scalar) -> UInt8? {
        guard character.value < 0x144, bytes[Int(character.value)] >= 0 else { return nil }
        return UInt8(bytes[Int(character.value)])
    }

    /// Appends the characters of `bytes` in UTF-8.
    static func write(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        for byte in bytes {
            let character = characters[Int(byte)]
            if character < 0x80 {
                text.append(UInt8(character))
            } else {
                text.append(0xC0 | UInt8(character >> 6))
                text.append(0x80 | UInt8(character & 0x3F))
            }
        }
    }

    static func text(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        write(bytes, to: &text)
        return text
    }

    /// Returns the bytes that a token represents: those of its characters, or, if one of its characters represents no
    /// byte, its own UTF-8 (as in `decode_chain` of Hugging Face's ByteLevel).
    static func decode(_ text: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            guard let byte = byte(of: scalar) else { return text }
            decoded.append(byte)
        }
        return decoded
    }
}
