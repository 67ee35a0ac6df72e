import TextReading

/// Limits the central directory of a zip file, all of which libarchive reads into memory (APPNOTE.TXT 4.3.14 to 4.3.16).
enum ZipDirectory {
    /// Maximum size in bytes.
    static let mostBytes = 32 << 20

    /// The signature of the end of the directory, with which an archive without members begins.
    static let end: [UInt8] = [0x50, 0x4B, 5, 6]

    private static let endBytes = 22
    private static let locatorBytes = 20
    private static let zip64EndBytes = 56
    /// Number of bytes at the end of the file in which libarchive looks for the end of the directory.
    private static let tailBytes = 16 << 10

    /// - Throws: `RejectionError`
    static func check(_ region: FileRegion) throws {
        let start = max(0, region.bytes - tailBytes)
        let tail = try read(region, at: start, count: region.bytes - start)
        // All that could be meant: the last one is usually right, but a comment may contain another.
        for index in tail.indices.dropLast(endBytes - 1) where hasSignature(tail, index, 0x0605_4B50) {
            try check(
                size: number(tail, index + 12, 4), offset: number(tail, index + 16, 4), end: start + index, region)
            let locator = index - locatorBytes
            guard locator >= 0, hasSignature(tail, locator, 0x0706_4B50),
                let offset = Int(exactly: number(tail, locator + 8, 8)), offset <= region.bytes - zip64EndBytes
            else { continue }
            let end = try read(region, at: offset, count: zip64EndBytes)
            guard end.count == zip64EndBytes else { continue }
            try check(size: number(end, 40, 8), offset: number(end, 48, 8), end: offset, region)
        }
    }

    /// libarchive reads entries from where the directory should begin to the first one that is none.
    private static func check(size: UInt64, offset: UInt64, end: Int, _ region: FileRegion) throws {
        let isElsewhere = size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF
        if isElsewhere { return }
        let bytes = max(UInt64(end) - min(offset, UInt64(end)), size)
        guard bytes <= mostBytes else {
            throw RejectionError(
                "has a central directory of \(bytes) bytes, more than the maximum of \(mostBytes): split the archive or "
                    + "shorten the names of its members")
        }
    }

    private static func read(_ region: FileRegion, at position: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try bytes.withUnsafeMutableBytes { try region.read(at: position, into: $0) }
        return Array(bytes[..<got])
    }

    private static func hasSignature(_ bytes: [UInt8], _ start: Int, _ signature: UInt64) -> Bool {
        bytes[start] == UInt8(ascii: "P") && number(bytes, start, 4) == signature
    }

    /// Decodes a little-endian integer.
    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        (0..<count).reversed().reduce(0) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
}
