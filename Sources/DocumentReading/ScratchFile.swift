import Durable
import Glibc
import TextReading

/// The disk is full. The file that is read is not at fault.
package struct NoScratchSpace: Error {}

/// Disk space for unpacked members of archives, so that each can be read more than once in constant memory. Used as a
/// stack: space is released in the reverse order of its allocation.
package final class ScratchFile {
    private let descriptor: Int32
    private var end = 0
    /// Size of the file.
    private var allocated = 0
    /// Where the spool begins, if there is one.
    private var spoolStart = Int.max
    /// Released space that is kept, because releasing it for every member of an archive would take longer than reading.
    private static let mostUnused = 1 << 20

    /// - Parameter descriptor: an empty file without a name that is open for reading and writing. Stays open.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Where the next region begins; see `release(to:)`.
    package var mark: Int { end }

    /// Stores what `fill` passes to its argument.
    /// - Returns: the region, which is valid until space before its end is released
    package func store(_ fill: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> FileRegion {
        let begin = end
        try fill { try append($0) }
        return FileRegion(descriptor: descriptor, offset: begin, bytes: end - begin)
    }

    /// Releases all regions stored since `mark` had this value.
    package func release(to mark: Int) {
        end = mark
        guard allocated - mark > Self.mostUnused else { return }
        allocated = mark
        _ = ftruncate(descriptor, off_t(mark))
    }

    private func append(_ piece: UnsafeRawBufferPointer) throws {
        guard end + piece.count <= spoolStart else {
            throw RejectionError("cannot be unpacked: a table of threads is too large to be in an archive")
        }
        try write(piece, at: end)
        end += piece.count
        allocated = max(allocated, end)
    }

    fileprivate func write(_ piece: UnsafeRawBufferPointer, at offset: Int) throws {
        var (rest, place) = (piece, offset)
        while !rest.isEmpty {
            let count = retrying { pwrite(descriptor, rest.baseAddress, rest.count, off_t(place)) }
            guard count > 0 else {
                if [ENOSPC, EDQUOT].contains(errno) { throw NoScratchSpace() }
                throw RejectionError("cannot be unpacked: \(String(cString: strerror(errno)))")
            }
            place += count
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    /// Returns space for the text of one table at a time, which is released with it.
    /// - Parameter offset: beyond all regions; those that are stored meanwhile must end before it
    package func makeSpool(at offset: Int) -> any TextSpool {
        spoolStart = offset
        return ScratchSpool(self, offset)
    }

    fileprivate func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = retrying {
                pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            }
            if count == 0 { errno = EIO }
            guard count > 0 else {
                throw RejectionError("cannot be read again: \(String(cString: strerror(errno)))")
            }
            done += count
        }
    }

    fileprivate func releaseSpool() {
        spoolStart = .max
        _ = ftruncate(descriptor, off_t(allocated))
    }
}

private final class ScratchSpool: TextSpool {
    private let scratch: ScratchFile
    private let start: Int
    private var end: Int

    init(_ scratch: ScratchFile, _ start: Int) {
        self.scratch = scratch
        (self.start, end) = (start, start)
    }

    deinit { scratch.releaseSpool() }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try scratch.write(bytes, at: end)
        end += bytes.count
    }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        try scratch.read(at: start + offset, into: buffer)
    }
}
