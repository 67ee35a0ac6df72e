import TextReading

/// The contents of a compressed file, decompressed in constant memory.
final class Decompression: ByteSource {
    /// Maximum size of the dictionary that a file may need.
    private static let mostDictionaryBytes = 256 << 20

    private let archive: Archive
    private let region: FileRegion
    private let packing: Packing
    private let limit: ExpansionLimit
    private var checksums: GzipChecksums?
    /// The first bytes, which `read` returns again.
    private(set) var head: [UInt8] = []
    private var headLeft: ArraySlice<UInt8> = []
    /// What is left of the bytes that were decompressed last.
    private var block = UnsafeRawBufferPointer(start: nil, count: 0)
    private var isAtEnd = false

    /// - Throws: `RejectionError`
    init(_ region: FileRegion, _ packing: Packing, limit: ExpansionLimit) throws {
        self.region = region
        self.packing = packing
        self.limit = limit
        if let dictionary = Self.dictionaryBytes(try region.head(64), packing), dictionary > Self.mostDictionaryBytes {
            throw RejectionError(
                "needs a dictionary of \(dictionary) bytes to be unpacked, more than the maximum of "
                    + "\(Self.mostDictionaryBytes): pack it again with xz -6")
        }
        archive = try Archive(RegionSource(region), packing)
        if packing == .gzip { checksums = try GzipChecksums(region) }
        // A compressed empty file has no member.
        isAtEnd = try archive.next() == nil
        head = try beginning(Packing.headBytes)
        headLeft = head[...]
    }

    let seekableBytes: Int? = nil
    var position = 0

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard headLeft.isEmpty else {
            let count = min(buffer.count, headLeft.count)
            buffer.copyBytes(from: headLeft.prefix(count))
            headLeft = headLeft.dropFirst(count)
            return count
        }
        return try decompress(into: buffer)
    }

    /// Calls `take` with each piece that is left.
    func forEachPiece(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { piece.deallocate() }
        while case let count = try read(into: piece), count > 0 {
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    /// Number of bytes after the compressed data, without zeros that only fill it up. Valid at the end.
    func surplusBytes() throws -> Int {
        let end = archive.usedBytes
        var surplus = 0
        let rest = FileRegion(
            descriptor: region.descriptor, offset: region.offset + end, bytes: max(0, region.bytes - end))
        var seen = 0
        try rest.forEachPiece { piece in
            if let last = piece.lastIndex(where: { $0 != 0 }) { surplus = seen + last + 1 }
            seen += piece.count
        }
        return surplus
    }

    private func beginning(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        try bytes.withUnsafeMutableBytes { bytes in
            while got < count {
                let more = try decompress(into: UnsafeMutableRawBufferPointer(rebasing: bytes[got...]))
                if more == 0 { break }
                got += more
            }
        }
        return Array(bytes[..<got])
    }

    private func decompress(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while block.isEmpty, !isAtEnd { try decompressBlock() }
        let count = min(buffer.count, block.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[..<count]))
        block = UnsafeRawBufferPointer(rebasing: block[count...])
        return count
    }

    private func decompressBlock() throws {
        do {
            guard let next = try archive.nextBlock() else {
                checksums?.append(UnsafeRawBufferPointer(start: nil, count: 0), decompressedTo: archive.usedBytes)
                try checksums?.finish(at: archive.usedBytes)
                isAtEnd = true
                return
            }
            try limit.add(next.count)
            checksums?.append(next, decompressedTo: archive.usedBytes)
            block = next
        } catch let damage as Archive.Damage {
            throw RejectionError("\(damage.reason) (\(packing.name))")
        }
    }

    /// The size of the dictionary that the header of a file asks for, if it has one. liblzma allocates what it asks for.
    private static func dictionaryBytes(_ head: [UInt8], _ packing: Packing) -> Int? {
        switch packing {
        case .lzma: return head.count < 5 ? nil : head[1..<5].reversed().reduce(0) { $0 << 8 | Int($1) }
        case .xz:
            // A block header (section 3.1 of the specification) without sizes and with one filter, LZMA2.
            guard head.count > 17, head[13] & 0xC3 == 0, head[14] == 0x21, head[15] == 1 else { return nil }
            let bits = Int(head[16])
            return bits >= 40 ? 1 << 32 : (2 | bits & 1) << (bits / 2 + 11)
        default: return nil
        }
    }
}
