import Glibc

/// Addresses of Unix sockets in the file system.
public enum UnixAddress {
    /// The maximum length of a path in bytes, without its NUL.
    public static let pathLimit = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// Returns the address of a path, or nil if it is longer than `pathLimit`.
    public static func make(_ path: String) -> sockaddr_un? {
        let bytes = Array(path.utf8)
        guard bytes.count <= pathLimit else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    /// Calls `body` with the address in the form that `bind` and `connect` take.
    public static func with<Result>(
        _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Returns a descriptor connected to the socket at `path`, with close-on-exec set. The caller must close it.
    public static func connect(to path: String) throws(VarlinkClientError) -> Int32 {
        guard var address = make(path) else { throw .pathTooLong(path: path, limit: pathLimit) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(operation: "socket", errno: errno) }
        guard with(&address, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let number = errno
            close(descriptor)
            throw .connect(path: path, errno: number)
        }
        return descriptor
    }

    /// Returns the path to which a socket is bound, or nil if it has none.
    public static func path(of socket: Int32) -> String? {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        guard status == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        let path = withUnsafeBytes(of: &address.sun_path) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return path.isEmpty ? nil : path
    }
}
