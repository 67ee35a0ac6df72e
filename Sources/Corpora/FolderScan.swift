import Durable
import Glibc

/// The names in a folder, read one after the other; it can be left for a while and gone on with.
final class FolderScan {
    let path: String
    let folder: OpenFolder
    private let stream: OpaquePointer

    /// - Parameter path: for messages, and for the paths of what is found
    init(path: String, folder: OpenFolder) throws(DurableError) {
        // A second descriptor: closing the stream closes its own.
        let second = fcntl(folder.descriptor, F_DUPFD_CLOEXEC, 0)
        guard second >= 0, let stream = fdopendir(second) else {
            let error = DurableError(operation: "opendir", path: path, errno: errno)
            close(second)
            throw error
        }
        self.path = path
        self.folder = folder
        self.stream = stream
    }

    deinit { closedir(stream) }

    /// As `RawPath` has it; nil at the end. Without `.` and `..`.
    func next() -> String? {
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if bytes != Array(".".utf8), bytes != Array("..".utf8) { return RawPath.text(bytes) }
        }
        return nil
    }
}
