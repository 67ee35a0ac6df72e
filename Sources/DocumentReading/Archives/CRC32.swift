/// CRC-32 as gzip and zip use it, eight bytes at a time (Kounavis and Berry, 2005).
struct CRC32 {
    private var register = UInt32.max

    var value: UInt32 { ~register }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        Self.tables.withUnsafeBufferPointer { tables in
            var crc = register
            var index = 0
            while index + 8 <= bytes.count {
                let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self))
                crc = 0
                for byte in 0..<4 {
                    crc ^= tables[(7 - byte) << 8 | Int(low >> UInt32(8 * byte) & 0xFF)]
                    crc ^= tables[(3 - byte) << 8 | Int(high >> UInt32(8 * byte) & 0xFF)]
                }
                index += 8
            }
            for byte in bytes[index...] { crc = crc >> 8 ^ tables[Int((crc ^ UInt32(byte)) & 0xFF)] }
            register = crc
        }
    }

    /// Eight tables of 256 entries: table `n` advances a byte by `n` more zero bytes.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = []
        for byte in UInt32(0)..<256 {
            var crc = byte
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            tables.append(crc)
        }
        for index in 256..<2048 {
            let previous = tables[index - 256]
            tables.append(previous >> 8 ^ tables[Int(previous & 0xFF)])
        }
        return tables
    }()
}
