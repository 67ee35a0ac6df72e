import Crypto
import Digests
import Durable
import FoundationEssentials
import Inference

/// The whitened embeddings of the passages of a generation's corpora, in the file `.passages` of its directory: a cache, which
/// is removed with the generation or one of the corpora, and built again if it is missing or damaged.
///
/// Layout, in the machine's byte order: `magic`; size of the header (8 bytes); the header (JSON), padded with spaces to a multiple
/// of 64 bytes; the mean and the factor of the whitening (float32); the vectors (float16, `[count, dimension]`); the places (24 bytes
/// each); the SHA-256 of everything before. Immutable once it is published.
package final class PassageFile: Sendable {
    package struct Corpus: Codable, Sendable, Equatable {
        package var sha256: String
        package var passages: Int
        /// Whether it has more text than its passages.
        package var isPartial: Bool

        package init(sha256: String, passages: Int, isPartial: Bool) {
            self.sha256 = sha256
            self.passages = passages
            self.isPartial = isPartial
        }
    }

    package struct Header: Codable, Sendable, Equatable {
        package var modelSha256: String
        package var dimension: Int
        package var corpora: [Corpus]
        package var count: Int { corpora.reduce(0) { $0 + $1.passages } }

        package init(modelSha256: String, dimension: Int, corpora: [Corpus]) {
            self.modelSha256 = modelSha256
            self.dimension = dimension
            self.corpora = corpora
        }
    }

    /// Where a passage is in its corpus.
    package struct Place: Sendable, Equatable {
        package var offset: Int
        package var line: Int
        package var length: Int

        package init(offset: Int, line: Int, length: Int) {
            self.offset = offset
            self.line = line
            self.length = length
        }
    }

    package static let name = ".passages"
    /// Maximum number of passages of a generation.
    package static let mostPassages = 50_000
    private static let magic = Array("KBPASS01".utf8)
    private static let mostHeaderBytes = 4 << 20
    private static let mostDimension = 1 << 14
    private static let placeBytes = 24
    private static let digestBytes = 32

    package let header: Header
    package let whitening: Whitening
    private let file: MappedFile
    private let vectorsStart: Int
    private let placesStart: Int

    package struct Damaged: Error, CustomStringConvertible {
        package var description: String
    }

    /// Maps a file and checks all of it. Blocks on disk I/O.
    /// - Throws: `Damaged`, `DurableError`
    package init(path: String) throws {
        file = try MappedFile(path, followsLinks: false)
        let bytes = file.bytes
        header = try Self.header(of: bytes, path)
        let parts = try Self.parts(of: header, headerBytes: Self.number(bytes, at: Self.magic.count))
        guard bytes.count == parts.end + Self.digestBytes else {
            throw Damaged(description: "\(path) has \(bytes.count) bytes, expected \(parts.end + Self.digestBytes)")
        }
        guard SHA256.hash(data: bytes[..<parts.end]).elementsEqual(bytes[parts.end...]) else {
            throw Damaged(description: "the contents of \(path) do not match their SHA-256")
        }
        let d = header.dimension
        guard
            let whitening = Whitening(
                mean: Self.floats(bytes, parts.mean, d), factor: Self.floats(bytes, parts.factor, d * d))
        else { throw Damaged(description: "the whitening in \(path) is not usable") }
        self.whitening = whitening
        (vectorsStart, placesStart) = (parts.vectors, parts.places)
    }

    /// Reads only which corpora a file is made of.
    package static func header(path: String) throws -> Header {
        let file = try MappedFile(path, followsLinks: false)
        // The file stays mapped while it is read.
        return try withExtendedLifetime(file) { try header(of: file.bytes, path) }
    }

    private static func header(of bytes: UnsafeRawBufferPointer, _ path: String) throws -> Header {
        let start = magic.count + 8
        guard bytes.count >= start, bytes[..<magic.count].elementsEqual(magic) else {
            throw Damaged(description: "\(path) is not a file of passages")
        }
        let size = number(bytes, at: magic.count)
        guard (1...mostHeaderBytes).contains(size), size <= bytes.count - start,
            let header = try? JSONDecoder().decode(Header.self, from: Data(bytes[start..<start + size])),
            (1...mostDimension).contains(header.dimension),
            header.corpora.allSatisfy({ (0...mostPassages).contains($0.passages) }), header.count <= mostPassages
        else { throw Damaged(description: "the header of \(path) is damaged") }
        return header
    }

    private static func parts(of header: Header, headerBytes: Int) throws -> (
        mean: Int, factor: Int, vectors: Int, places: Int, end: Int
    ) {
        let (d, count) = (header.dimension, header.count)
        let mean = magic.count + 8 + headerBytes
        guard mean % 64 == 0 else { throw Damaged(description: "the header of a file of passages is not aligned") }
        let factor = mean + 4 * d
        let vectors = factor + 4 * d * d
        // Aligned to 8 bytes.
        let places = (vectors + 2 * d * count + 7) / 8 * 8
        return (mean, factor, vectors, places, places + placeBytes * count)
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        Int(clamping: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private static func floats(_ bytes: UnsafeRawBufferPointer, _ offset: Int, _ count: Int) -> [Float] {
        (0..<count).map { bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Float.self) }
    }

    package func place(_ index: Int) -> Place {
        precondition((0..<header.count).contains(index), "no such passage")
        let start = placesStart + Self.placeBytes * index
        return Place(
            offset: Self.number(file.bytes, at: start), line: Self.number(file.bytes, at: start + 8),
            length: Self.number(file.bytes, at: start + 16))
    }

    /// Returns the cosine of a whitened vector with each passage.
    package func cosines(with vector: [Float]) -> [Float] {
        let d = header.dimension
        precondition(vector.count == d, "a vector of another dimension")
        let base = file.bytes.baseAddress! + vectorsStart
        return vector.withUnsafeBufferPointer { vector in
            (0..<header.count).map { index in
                let row = base + 2 * d * index
                var sum: Float = 0
                for column in 0..<d {
                    sum += Float(row.loadUnaligned(fromByteOffset: 2 * column, as: Float16.self)) * vector[column]
                }
                return sum.isFinite ? sum : -1
            }
        }
    }

    /// Size of a file, without its header.
    package static func bytes(passages: Int, dimension: Int) -> Int {
        4 * dimension * (dimension + 1) + (2 * dimension + placeBytes) * passages + digestBytes
    }

    /// Writes a file. Blocks on disk I/O and for the time that whitening takes.
    /// - Parameters:
    ///   - vector: returns the embedding of a passage
    ///   - check: called periodically; throws to stop
    package static func write(
        to path: String, _ header: Header, _ whitening: Whitening, places: [Place], check: () throws -> Void,
        vector: (Int) throws -> [Float]
    ) throws {
        precondition(places.count == header.count && whitening.dimension == header.dimension)
        var encoded = Array(try JSONEncoder().encode(header))
        encoded += [UInt8](repeating: 0x20, count: (64 - (magic.count + 8 + encoded.count) % 64) % 64)
        let parts = try parts(of: header, headerBytes: encoded.count)
        let file = try AtomicFile(for: path)
        var (hash, written) = (SHA256(), 0)
        func append(_ bytes: UnsafeRawBufferPointer) throws {
            hash.update(bufferPointer: bytes)
            written += bytes.count
            try file.append(bytes)
        }
        try magic.withUnsafeBytes { try append($0) }
        try withUnsafeBytes(of: UInt64(encoded.count)) { try append($0) }
        try encoded.withUnsafeBytes { try append($0) }
        try whitening.mean.withUnsafeBytes { try append($0) }
        try whitening.factor.withUnsafeBytes { try append($0) }
        for index in places.indices {
            if index % 64 == 0 { try check() }
            let row = whitening.apply(try vector(index)).map { Float16($0) }
            try row.withUnsafeBytes { try append($0) }
        }
        try [UInt8](repeating: 0, count: parts.places - written).withUnsafeBytes { try append($0) }
        for place in places {
            let numbers = [place.offset, place.line, place.length].map { UInt64(max(0, $0)) }
            try numbers.withUnsafeBytes { try append($0) }
        }
        try Array(hash.finalize()).withUnsafeBytes { try file.append($0) }
        // Damage by a power failure is noticed, and the file is built again.
        try file.publishUnsynced()
    }
}
