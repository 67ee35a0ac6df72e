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
        var rest = piece
        while !rest.isEmpty {
            let count = retrying { pwrite(descriptor, rest.baseAddress, rest.count, off_t(end)) }
            guard count > 0 else {
                if [ENOSPC, EDQUOT].contains(errno) { throw NoScratchSpace() }
                throw RejectionError("cannot be unpacked: \(String(cString: strerror(errno)))")
            }
            end += count
            allocated = max(allocated, end)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }
}
