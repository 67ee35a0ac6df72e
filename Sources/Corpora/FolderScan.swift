import Durable
import Glibc

/// An incremental directory listing, which can be suspended and resumed.
final class FolderScan {
    let path: String
    let folder: OpenFolder
    private let stream: OpaquePointer

    /// - Parameter path: used in error messages and for the paths of the entries
    init(path: String, folder: OpenFolder) throws(DurableError) {
        // Duplicated because closedir() closes the descriptor of the stream.
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

    /// Returns the next name in `RawPath` encoding, or nil at the end. Skips `.` and `..`.
    func next() -> String? { nextEntry()?.name }

    /// Returns the next name, and whether it is a directory; nil if the file system does not say so.
    func nextEntry() -> (name: String, isFolder: Bool?)? {
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard bytes != Array(".".utf8), bytes != Array("..".utf8) else { continue }
            let type = Int(entry.pointee.d_type)
            return (RawPath.text(bytes), type == Int(DT_UNKNOWN) ? nil : type == Int(DT_DIR))
        }
        return nil
    }
}
