import Glibc
import TextReading

/// Checks the checksums of a gzip file (RFC 1952), which libarchive ignores.
///
/// A file consists of one or more members, and libarchive does not tell where one ends. Every place that looks like the
/// beginning of another member is a candidate: the eight bytes before it are the checksum and the size of the member
/// that ends there, if one does. It is accepted if both agree with the text, and dropped if the decompression has passed
/// it and they do not. At the end, the last member must agree.
struct GzipChecksums {
    private struct Candidate {
        /// Where the next member begins in the file.
        let position: Int
        let trailer: Trailer
    }

    private struct Trailer {
        let crc: UInt32
        /// Size of the text modulo 2³².
        let size: UInt32
    }

    private static let trailerBytes = 8
    private static let headerBytes = 10
    private static let mostMembers = 1 << 20

    private let region: FileRegion
    private var candidates: [Candidate] = []
    private var nextCandidate = 0
    /// Size modulo 2³² and CRC-32 of the current member so far.
    private var size: UInt32 = 0
    private var crc = CRC32()

    init(_ region: FileRegion) throws {
        self.region = region
        try findCandidates()
    }

    /// Adds a piece of the text.
    /// - Parameter end: the position in the file up to which the compressed data has been decompressed
    mutating func append(_ piece: UnsafeRawBufferPointer, decompressedTo end: Int) {
        var rest = piece
        while nextCandidate < candidates.count, candidates[nextCandidate].position <= end {
            let trailer = candidates[nextCandidate].trailer
            nextCandidate += 1
            let count = Int(trailer.size &- size)
            guard count <= rest.count else { continue }
            add(UnsafeRawBufferPointer(rebasing: rest[..<count]))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if trailer.crc == crc.value { (size, crc) = (0, CRC32()) }
        }
        add(rest)
    }

    /// - Parameter end: where the compressed data ends in the file
    /// - Throws: `RejectionError` if a checksum does not match
    func finish(at end: Int) throws {
        guard let last = try trailer(endingAt: end), last.size == size, last.crc == crc.value else {
            throw RejectionError("is damaged gzip data: its checksum does not match")
        }
    }

    private mutating func add(_ piece: UnsafeRawBufferPointer) {
        crc.append(piece)
        size &+= UInt32(truncatingIfNeeded: piece.count)
    }

    /// Finds the headers of all members but the first one.
    private mutating func findCandidates() throws {
        let least = Self.trailerBytes + Self.headerBytes
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { piece.deallocate() }
        var position = least
        while position + Self.headerBytes <= region.bytes {
            // Each piece begins with the trailer before the first place in it.
            let count = try region.read(at: position - Self.trailerBytes, into: piece)
            guard count >= least else { return }
            var index = Self.trailerBytes
            let end = count - Self.headerBytes + 1
            while index < end, let found = memchr(piece.baseAddress! + index, 0x1F, end - index) {
                index = piece.baseAddress!.distance(to: found)
                if Self.isHeader(piece, index) {
                    guard candidates.count < Self.mostMembers else {
                        throw RejectionError("has more than \(Self.mostMembers) gzip members, which is the maximum")
                    }
                    candidates.append(
                        Candidate(
                            position: position + index - Self.trailerBytes,
                            trailer: Self.trailer(piece, index - Self.trailerBytes)))
                }
                index += 1
            }
            position += count - least + 1
        }
    }

    /// Whether the fields of a member's header have valid values.
    private static func isHeader(_ bytes: UnsafeMutableRawBufferPointer, _ index: Int) -> Bool {
        let hasSignature = bytes[index] == 0x1F && bytes[index + 1] == 0x8B && bytes[index + 2] == 8
        guard hasSignature, bytes[index + 3] & 0xE0 == 0 else { return false }
        let (level, system) = (bytes[index + 8], bytes[index + 9])
        return [0, 2, 4].contains(level) && (system <= 13 || system == 255)
    }

    private func trailer(endingAt end: Int) throws -> Trailer? {
        var bytes = [UInt8](repeating: 0, count: Self.trailerBytes)
        guard end >= bytes.count else { return nil }
        return try bytes.withUnsafeMutableBytes { bytes in
            try region.read(at: end - bytes.count, into: bytes) == bytes.count ? Self.trailer(bytes, 0) : nil
        }
    }

    private static func trailer(_ bytes: UnsafeMutableRawBufferPointer, _ index: Int) -> Trailer {
        Trailer(
            crc: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)),
            size: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self)))
    }
}
