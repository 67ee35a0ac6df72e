import TextReading

/// How a file is packed: compressed, an archive, or both.
enum Packing: CaseIterable {
    case gzip, bzip2, xz, zstd, compress, lzma, zip, tar, sevenZip

    /// Name of the format in messages.
    var name: String {
        switch self {
        case .gzip: "gzip"
        case .bzip2: "bzip2"
        case .xz: "xz"
        case .zstd: "zstd"
        case .compress: "compress"
        case .lzma: "lzma"
        case .zip: "zip"
        case .tar: "tar"
        case .sevenZip: "7-Zip"
        }
    }

    /// Whether the format compresses one stream of bytes, which may be a tar archive.
    var isStream: Bool {
        switch self {
        case .zip, .tar, .sevenZip: false
        default: true
        }
    }

    /// Extensions of names that imply a format, and what replaces each when the file is unpacked.
    private static let extensions: [String: (packing: Packing, replacement: String)] = [
        "gz": (.gzip, ""), "tgz": (.gzip, ".tar"), "bz2": (.bzip2, ""), "tbz": (.bzip2, ".tar"),
        "tbz2": (.bzip2, ".tar"), "xz": (.xz, ""), "txz": (.xz, ".tar"), "zst": (.zstd, ""), "tzst": (.zstd, ".tar"),
        "z": (.compress, ""), "taz": (.compress, ".tar"), "lzma": (.lzma, ""), "tlz": (.lzma, ".tar"),
        "zip": (.zip, ""), "tar": (.tar, ""), "7z": (.sevenZip, ""),
    ]

    /// Number of bytes at the beginning of a file that determine its packing.
    static let headBytes = Tar.blockBytes

    /// Recognizes the format by the first bytes of a file. Only lzma, which has no signature, depends on the name.
    init?(head: [UInt8], name: String) {
        let isLZMA = head.first == 0x5D && Packing(name: name) == .lzma
        guard let found = Packing.allCases.first(where: { $0.begins(head, isLZMA: isLZMA) }) else { return nil }
        self = found
    }

    /// The format that a name implies.
    init?(name: String) {
        guard let found = Packing.extensions[ending(of: name)] else { return nil }
        self = found.packing
    }

    private func begins(_ head: [UInt8], isLZMA: Bool) -> Bool {
        switch self {
        case .gzip: head.starts(with: [0x1F, 0x8B, 8])
        case .bzip2:
            head.starts(with: Array("BZh".utf8)) && head.count >= 10 && (0x31...0x39).contains(head[3])
                && (head[4..<10] == [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
                    || head[4..<10] == [0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
        case .xz: head.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0])
        case .zstd:
            head.starts(with: [0x28, 0xB5, 0x2F, 0xFD])
                || head.count >= 4 && head[0] & 0xF0 == 0x50 && head[1..<4] == [0x2A, 0x4D, 0x18]
        case .compress: head.count >= 3 && head.starts(with: [0x1F, 0x9D]) && (9...16).contains(head[2] & 0x1F)
        case .lzma: isLZMA && head.count >= 13 && head.starts(with: [0x5D, 0, 0])
        case .zip:
            [[3, 4], [5, 6], [7, 8]].contains { head.starts(with: [0x50, 0x4B] + $0) }
                // An archive that was meant to be split, but fits into a single part.
                || head.starts(with: [0x50, 0x4B, 0x30, 0x30, 0x50, 0x4B, 3, 4])
        case .tar: Tar.isHeader(head)
        case .sevenZip: head.starts(with: [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C])
        }
    }

    /// The name of the file that a compressed file contains: `a.txt` for `a.txt.gz`, `a.tar` for `a.tgz`.
    static func nameOfContents(_ name: String) -> String {
        let ending = ending(of: name)
        guard let found = extensions[ending] else { return name }
        return String(name.dropLast(ending.count + 1)) + found.replacement
    }
}

/// Recognizes tar archives, some of which have no signature other than the checksum of their first header.
enum Tar {
    static let blockBytes = 512
    private static let checksum = 148..<156

    /// Whether a block is the header of a member.
    static func isHeader(_ block: [UInt8]) -> Bool {
        guard block.count >= blockBytes, block[0] != 0 else { return false }
        let digits = block[checksum].drop { $0 == UInt8(ascii: " ") }.prefix { (0x30...0x37).contains($0) }
        guard !digits.isEmpty, let wanted = Int(String(decoding: digits, as: UTF8.self), radix: 8) else { return false }
        let header = block[..<blockBytes].enumerated().map { checksum.contains($0) ? UInt8(ascii: " ") : $1 }
        // Some old programs added the bytes as signed numbers.
        return wanted == header.reduce(0) { $0 + Int($1) }
            || wanted == header.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
    }

    /// Whether an archive ends with a block of zeros, as it should.
    static func hasEnd(_ region: FileRegion) throws -> Bool {
        let last = FileRegion(
            descriptor: region.descriptor, offset: region.offset + max(0, region.bytes - blockBytes), bytes: blockBytes)
        return try last.head(blockBytes).allSatisfy { $0 == 0 }
    }
}
