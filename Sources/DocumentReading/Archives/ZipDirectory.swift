import TextReading

/// Checks the central directory of a zip file (APPNOTE.TXT 4.3.12 to 4.3.16): its size, because libarchive reads all of it
/// into memory, and that no two members share data, because a small file could then expand to any number of members.
enum ZipDirectory {
    /// Maximum size in bytes.
    static let mostBytes = 32 << 20

    /// The signature of the end of the directory, with which an archive without members begins.
    static let end: [UInt8] = [0x50, 0x4B, 5, 6]

    private static let endBytes = 22
    private static let locatorBytes = 20
    private static let zip64EndBytes = 56
    /// The signature of an entry of the directory.
    private static let entry: UInt64 = 0x0201_4B50
    private static let entryBytes = 46
    private static let localHeaderBytes = 30
    /// Number of bytes at the end of the file in which libarchive looks for the end of the directory.
    private static let tailBytes = 16 << 10

    /// - Throws: `RejectionError`
    static func check(_ region: FileRegion) throws {
        let start = max(0, region.bytes - tailBytes)
        let tail = try read(region, at: start, count: region.bytes - start)
        var directories: [Range<Int>] = []
        // All candidates: the last one is usually right, but a comment may contain another.
        for index in tail.indices.dropLast(endBytes - 1) where hasSignature(tail, index, 0x0605_4B50) {
            directories += try check(
                size: number(tail, index + 12, 4), offset: number(tail, index + 16, 4), end: start + index, region)
            let locator = index - locatorBytes
            guard locator >= 0, hasSignature(tail, locator, 0x0706_4B50),
                let offset = Int(exactly: number(tail, locator + 8, 8)), offset <= region.bytes - zip64EndBytes
            else { continue }
            let end = try read(region, at: offset, count: zip64EndBytes)
            guard end.count == zip64EndBytes else { continue }
            directories += try check(size: number(end, 40, 8), offset: number(end, 48, 8), end: offset, region)
        }
        // Many false candidates cost little, because only the last two that begin like a directory are read.
        let found = try directories.filter { try hasSignature(read(region, at: $0.lowerBound, count: 4), 0, entry) }
        for directory in found.suffix(2) { try checkOverlaps(directory, region) }
    }

    /// - Throws: `RejectionError` if members share data
    private static func checkOverlaps(_ directory: Range<Int>, _ region: FileRegion) throws {
        let bytes = try read(region, at: directory.lowerBound, count: directory.count)
        var members: [(begin: UInt64, end: UInt64)] = []
        var index = 0
        while index + entryBytes <= bytes.count, hasSignature(bytes, index, entry) {
            let extra = index + entryBytes + Int(number(bytes, index + 28, 2))
            let comment = extra + Int(number(bytes, index + 30, 2))
            var fields = Zip64Fields(bytes[min(extra, bytes.count)..<min(comment, bytes.count)])
            // The extra field contains the fields that do not fit into 32 bits, in this order.
            _ = fields.value(number(bytes, index + 24, 4))
            let size = fields.value(number(bytes, index + 20, 4))
            let begin = min(fields.value(number(bytes, index + 42, 4)), UInt64(region.bytes))
            // The name before the data may differ from the one in the directory, so its length is unknown.
            members.append((begin, begin + UInt64(localHeaderBytes) + min(size, UInt64(region.bytes))))
            index = comment + Int(number(bytes, index + 32, 2))
        }
        members.sort { $0 < $1 }
        var (overlaps, end): (Int, UInt64) = (0, 0)
        for member in members {
            if member.begin < end { overlaps += 1 }
            end = max(end, member.end)
        }
        guard overlaps == 0 else {
            throw RejectionError(
                "is a damaged zip archive: \(overlaps) of its \(members.count) members contain data of another member; pack "
                    + "the files again")
        }
    }

    /// libarchive reads entries from where the directory should begin up to the first bytes that are not an entry.
    /// - Returns: where the directory is: according to its offset, and to its size if something precedes the archive
    private static func check(size: UInt64, offset: UInt64, end: Int, _ region: FileRegion) throws -> [Range<Int>] {
        let isElsewhere = size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF
        if isElsewhere { return [] }
        let bytes = max(UInt64(end) - min(offset, UInt64(end)), size)
        guard bytes <= mostBytes else {
            throw RejectionError(
                "has a central directory of \(bytes) bytes, more than the maximum of \(mostBytes): split the archive or "
                    + "shorten the names of its members")
        }
        let begins = Set([Int(min(offset, UInt64(end))), end - Int(min(size, UInt64(end)))])
        return begins.sorted().map { $0..<end }
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
    fileprivate static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        (0..<count).reversed().reduce(0) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
}

/// The sizes and the offset of a member that need more than 32 bits (APPNOTE.TXT 4.5.3).
private struct Zip64Fields {
    private static let id: UInt64 = 1
    private var rest: [UInt8] = []

    /// - Parameter extra: the extra fields of an entry of the directory
    init(_ extra: ArraySlice<UInt8>) {
        var extra = extra
        while extra.count >= 4 {
            let id = ZipDirectory.number(Array(extra.prefix(4)), 0, 2)
            let size = Int(ZipDirectory.number(Array(extra.prefix(4)), 2, 2))
            if id == Self.id {
                rest = Array(extra.dropFirst(4).prefix(size))
                return
            }
            extra = extra.dropFirst(4 + size)
        }
    }

    /// Returns the value of the next field.
    /// - Parameter value: its 32 bits outside of the extra field
    mutating func value(_ value: UInt64) -> UInt64 {
        guard value == 0xFFFF_FFFF, rest.count >= 8 else { return value }
        defer { rest.removeFirst(8) }
        return ZipDirectory.number(rest, 0, 8)
    }
}
