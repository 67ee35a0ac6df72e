import TextReading

/// Bytes that an archive is read from.
protocol ByteSource: AnyObject {
    /// Reads the next bytes; zero at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
    /// Size in bytes if the source can be read from any position.
    var seekableBytes: Int? { get }
    /// Where the next bytes are read. Set only if the source is seekable.
    var position: Int { get set }
}

/// Reads a region of a file.
final class RegionSource: ByteSource {
    private let region: FileRegion
    var position = 0

    init(_ region: FileRegion) { self.region = region }

    var seekableBytes: Int? { region.bytes }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try region.read(at: position, into: buffer)
        position += count
        return count
    }
}
