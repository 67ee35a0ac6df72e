import Glibc

extension Durable {
    /// Opens a regular file to be read, and nothing else: a pipe or a device is refused without waiting for it.
    /// - Returns: the descriptor, which is the caller's to close, and the file's size
    package static func openRegular(_ path: String) throws(DurableError) -> (descriptor: Int32, bytes: Int) {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
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

    /// The whole of a regular file whose size is known to be bounded before a byte of it is read.
    /// - Throws: `DurableError`, with `EINVAL` where it is no regular file and `EFBIG` where it has more than `limit` bytes
    public static func read(_ path: String, atMost limit: Int) throws(DurableError) -> [UInt8] {
        let (descriptor, size) = try openRegular(path)
        defer { close(descriptor) }
        func tooLarge(_ found: String) -> DurableError {
            DurableError(
                operation: "read", path: path, errno: EFBIG, hint: "it has \(found) bytes, at most \(limit) are read")
        }
        guard size <= limit else { throw tooLarge("\(size)") }
        var bytes = [UInt8](repeating: 0, count: size)
        var count = 0
        while count < size {
            let read = bytes.withUnsafeMutableBytes { buffer in
                retrying { Glibc.read(descriptor, buffer.baseAddress! + count, size - count) }
            }
            guard read >= 0 else { throw DurableError("read", path) }
            // Cut short meanwhile.
            if read == 0 { break }
            count += read
        }
        bytes.removeLast(size - count)
        return bytes
    }
}
