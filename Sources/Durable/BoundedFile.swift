import Glibc

extension Durable {
    /// Opens a regular file for reading. Rejects a FIFO or a device without blocking.
    /// - Returns: the descriptor, which the caller must close, and the size of the file
    package static func openRegular(
        _ path: String, followsLinks: Bool = true
    ) throws(DurableError) -> (descriptor: Int32, bytes: Int) {
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followsLinks ? 0 : O_NOFOLLOW)
        let descriptor = retrying { open(path, flags) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = DurableError("fstat", path)
            close(descriptor)
            throw error
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= 0 else {
            close(descriptor)
            throw DurableError(operation: "open", path: path, errno: EINVAL, hint: "is not a regular file")
        }
        return (descriptor, Int(status.st_size))
    }

    /// Reads a regular file after checking its size.
    /// - Throws: `DurableError`, with `EINVAL` if it is not a regular file and `EFBIG` if it has more than `limit`
    ///   bytes
    public static func read(_ path: String, atMost limit: Int) throws(DurableError) -> [UInt8] {
        let (descriptor, size) = try openRegular(path)
        defer { close(descriptor) }
        func tooLarge(_ found: String) -> DurableError {
            DurableError(
                operation: "read", path: path, errno: EFBIG, hint: "has \(found) bytes; the limit is \(limit)")
        }
        guard size <= limit else { throw tooLarge("\(size)") }
        var bytes = [UInt8](repeating: 0, count: size)
        var count = 0
        while count < size {
            let read = bytes.withUnsafeMutableBytes { buffer in
                retrying { Glibc.read(descriptor, buffer.baseAddress! + count, size - count) }
            }
            guard read >= 0 else { throw DurableError("read", path) }
            // The file was truncated in the meantime.
            if read == 0 { break }
            count += read
        }
        bytes.removeLast(size - count)
        return bytes
    }
}
