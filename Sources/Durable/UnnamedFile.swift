import Glibc

/// A temporary file without a name, of which nothing remains however the process ends.
package final class UnnamedFile: Sendable {
    private let descriptor: Int32
    private let directory: String

    /// - Parameter directory: determines the file system
    package init(in directory: String) throws(DurableError) {
        self.directory = directory
        var descriptor = retrying { open(directory, Self.withoutName | O_RDWR | O_CLOEXEC, 0o600) }
        if descriptor < 0, errno == EOPNOTSUPP || errno == EISDIR {
            let name = TemporaryName.beside(joinPath(directory, "unnamed"))
            descriptor = retrying { open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600) }
            if descriptor >= 0 { unlink(name) }
        }
        guard descriptor >= 0 else { throw DurableError("open", directory) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Calls `body` with a path that opens the file, with an offset of its own, until `body` returns.
    package func withPath<Result>(_ body: (String) throws -> Result) rethrows -> Result {
        try withDescriptor { try body("/proc/self/fd/\($0)") }
    }

    /// Calls `body` with the descriptor, which is open for reading and writing until `body` returns.
    package func withDescriptor<Result>(_ body: (Int32) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(self) { try body(descriptor) }
    }

    package func append(_ bytes: UnsafeRawBufferPointer) throws(DurableError) {
        try Durable.write(bytes, to: descriptor, path: directory)
    }

    /// Fills the buffer with bytes that were appended before.
    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(DurableError) {
        var done = 0
        while done < buffer.count {
            let count = retrying {
                pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            }
            // The file ends only where someone else has truncated it.
            if count == 0 { errno = EIO }
            guard count > 0 else { throw DurableError("read", directory) }
            done += count
        }
    }

    /// `O_TMPFILE`, which Swift cannot import.
    private static let withoutName: Int32 = 0o20000000 | O_DIRECTORY
}
