/// Encodes PNG files (ISO/IEC 15948). The compression exploits the runs of pixels that equal the row above, which are
/// typical of charts.
enum PNG {
    /// - Parameter rgb: red, green, blue, row after row
    static func encode(width: Int, height: Int, rgb: [UInt8]) -> [UInt8] {
        precondition(rgb.count == 3 * width * height)
        // Each row starts with its filter type: 2 (Up), the difference from the row above (section 9.2).
        var filtered: [UInt8] = []
        filtered.reserveCapacity(rgb.count + height)
        for row in 0..<height {
            filtered.append(2)
            for place in 3 * row * width..<3 * (row + 1) * width {
                filtered.append(row == 0 ? rgb[place] : rgb[place] &- rgb[place - 3 * width])
            }
        }
        // Bit depth 8, color type 2 (truecolor), compression method 0, filter method 0, no interlacing.
        let header = bytes(UInt32(width)) + bytes(UInt32(height)) + [8, 2, 0, 0, 0]
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
            + chunk("IHDR", header) + chunk("IDAT", Zlib.compress(filtered)) + chunk("IEND", [])
    }

    private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return bytes(UInt32(data.count)) + body + bytes(crc32(body))
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        let table = (0..<256).map { (index: UInt32) -> UInt32 in
            var value = index
            for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
            return value
        }
        var sum = UInt32.max
        for byte in bytes { sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ (sum >> 8) }
        return ~sum
    }
}

/// Writes zlib streams (RFC 1950) of one block with fixed Huffman codes (RFC 1951, section 3.2.6): literals, and runs of
/// the same byte as matches of distance 1.
enum Zlib {
    static func compress(_ input: [UInt8]) -> [UInt8] {
        var bits = BitWriter(bytes: [0x78, 0x01])
        bits.put(0b011, 3)
        var place = 0
        while place < input.count {
            let byte = input[place]
            bits.literal(Int(byte))
            place += 1
            var run = 0
            while place + run < input.count, run < 258, input[place + run] == byte { run += 1 }
            if run >= 3 {
                bits.runOf(run)
                place += run
            }
        }
        bits.literal(256)
        let sum = adler32(input)
        return bits.finished() + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }
    }

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        return b << 16 | a
    }
}

private struct BitWriter {
    private var bytes: [UInt8]
    private var held: UInt32 = 0
    private var heldCount: UInt32 = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Appends bits, least significant first.
    mutating func put(_ value: UInt32, _ count: UInt32) {
        held |= value << heldCount
        heldCount += count
        while heldCount >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: held))
            held >>= 8
            heldCount -= 8
        }
    }

    /// Appends a literal byte, the end of the block (256) or a length code (257…285).
    mutating func literal(_ symbol: Int) {
        switch symbol {
        case ..<144: code(UInt32(0x30 + symbol), 8)
        case ..<256: code(UInt32(0x190 + symbol - 144), 9)
        case ..<280: code(UInt32(symbol - 256), 7)
        default: code(UInt32(0xC0 + symbol - 280), 8)
        }
    }

    /// Appends a match of `length` (3…258) bytes at distance 1.
    mutating func runOf(_ length: Int) {
        if length == 258 {
            literal(285)
        } else {
            // Length codes come in groups of four with the same number of extra bits; the first eight have none.
            var extra = 0
            while length - 3 >= 8 << extra { extra += 1 }
            let first = extra == 0 ? 0 : 4 << extra
            let group = extra == 0 ? length - 3 : 4 + 4 * extra + (length - 3 - first) >> extra
            literal(257 + group)
            if extra > 0 { put(UInt32((length - 3 - first) & (1 << extra - 1)), UInt32(extra)) }
        }
        // Distance code 0: distance 1.
        code(0, 5)
    }

    /// Appends a Huffman code, most significant bit first.
    private mutating func code(_ value: UInt32, _ count: UInt32) {
        for bit in (0..<count).reversed() { put(value >> bit & 1, 1) }
    }

    mutating func finished() -> [UInt8] {
        if heldCount > 0 { put(0, 8 - heldCount) }
        return bytes
    }
}
