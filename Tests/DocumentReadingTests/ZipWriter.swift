import Foundation

/// Writes zip files, including malformed ones.
struct ZipWriter {
    struct Member {
        var name: [UInt8]
        /// The data as stored in the file, compressed with `method`.
        var data: [UInt8]
        var method: UInt16 = 0
        var crc: UInt32 = 0
        var size = 0
        /// Offset of the data according to the central directory. Nil means the actual offset.
        var offset: Int?

        init(_ name: [UInt8], data: [UInt8], method: UInt16 = 0, crc: UInt32 = 0, size: Int? = nil, offset: Int? = nil)
        {
            self.name = name
            self.data = data
            self.method = method
            self.crc = crc
            self.size = size ?? data.count
            self.offset = offset
        }
    }

    static func file(_ members: [Member]) -> [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let offset = member.offset ?? file.count
            let common = numbers([
                (20, 2), (0, 2), (UInt64(member.method), 2), (0, 4), (UInt64(member.crc), 4),
                (UInt64(member.data.count), 4), (UInt64(member.size), 4), (UInt64(member.name.count), 2), (0, 2),
            ])
            if member.offset == nil {
                file += number(0x0403_4B50, 4)
                file += common
                file += member.name
                file += member.data
            }
            directory += numbers([(0x0201_4B50, 4), (20, 2)])
            directory += common
            directory += numbers([(0, 2), (0, 2), (0, 2), (0, 4), (UInt64(offset), 4)])
            directory += member.name
        }
        let count = UInt64(members.count & 0xFFFF)
        let start = UInt64(file.count)
        file += directory
        file += numbers([
            (0x0605_4B50, 4), (0, 4), (count, 2), (count, 2), (UInt64(directory.count), 4), (start, 4), (0, 2),
        ])
        return file
    }

    /// Concatenates integers of the given sizes in little-endian order.
    static func numbers(_ values: [(value: UInt64, bytes: Int)]) -> [UInt8] {
        values.flatMap { number($0.value, $0.bytes) }
    }

    static func number(_ value: UInt64, _ bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    /// Returns the CRC-32 used by zlib and zip.
    static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 {
                let isOdd = crc & 1 == 1
                crc >>= 1
                if isOdd { crc ^= 0xEDB8_8320 }
            }
        }
        return ~crc
    }

    /// Returns deflated data that expands to nothing: empty stored blocks.
    static func nothing(blocks: Int) -> [UInt8] {
        var data: [UInt8] = []
        for _ in 1..<blocks { data += [0, 0, 0, 0xFF, 0xFF] }
        return data + [1, 0, 0, 0xFF, 0xFF]
    }
}
