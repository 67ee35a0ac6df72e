import Durable
import Glibc
import TextReading

/// A range of bytes of a seekable file, such as the file that was dropped or an unpacked member of an archive. It can be
/// read several times.
package struct FileRegion: Sendable {
    package let descriptor: Int32
    package let offset: Int
    package let bytes: Int

    private static let pieceBytes = 64 << 10

    package init(descriptor: Int32, offset: Int = 0, bytes: Int) {
        self.descriptor = descriptor
        self.offset = offset
        self.bytes = bytes
    }

    /// Reads up to `count` bytes at a position of the region; fewer at its end.
    package func read(at position: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var got = 0
        let wanted = max(0, min(buffer.count, bytes - position))
        while got < wanted {
            let count = retrying {
                pread(descriptor, buffer.baseAddress! + got, wanted - got, off_t(offset + position + got))
            }
            guard count >= 0 else { throw RejectionError("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            got += count
        }
        return got
    }

    /// Returns the first bytes of the region.
    package func head(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, min(count, self.bytes)))
        let got = try bytes.withUnsafeMutableBytes { try read(at: 0, into: $0) }
        bytes.removeLast(bytes.count - got)
        return bytes
    }

    /// Calls `take` with each piece of the region, in order.
    package func forEachPiece(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        var position = 0
        while position < bytes {
            let count = try read(at: position, into: piece)
            if count == 0 { return }
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            position += count
        }
    }
}
