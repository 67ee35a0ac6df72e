import Durable
import Glibc

/// A file as it lay in the inbox when it was looked at.
public struct InboxFile: Sendable, Hashable {
    /// Bytes that are not UTF-8 as `RawPath` has them.
    public let path: String
    /// The path below the inbox, printable and whole.
    public let relativePath: String
    /// `relativePath` as it is recorded and shown, `kant.txt` or `assistant/notes.txt`: of more than `longestName` bytes
    /// its beginning and its end. `source` says which file it is.
    public let name: String
    public let signature: FileSignature

    /// Bytes of UTF-8 that `name` may have.
    public static let longestName = 255

    /// The first folder below the inbox, which names the only model this file feeds; null for the inbox itself.
    public var folder: String? {
        relativePath.firstIndex(of: "/").map { String(relativePath[..<$0]) }
    }

    /// Which file this is, for records: the same text means the same file, unchanged.
    public var source: String { signature.description }

    /// - Parameter name: the path below the inbox, printable
    public init(path: String, name: String, signature: FileSignature) {
        self.path = path
        relativePath = name
        self.name = name.boundedInTheMiddle(toBytes: Self.longestName)
        self.signature = signature
    }
}

/// What tells a file from another one and from its earlier self, without reading it.
public struct FileSignature: Sendable, Hashable, CustomStringConvertible {
    public let device: UInt64
    public let inode: UInt64
    public let bytes: Int
    public let modifiedNanoseconds: Int64
    /// The user id.
    public let owner: UInt32

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int(status.st_size)
        // Anybody may give a file a time that is further away than these reach.
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        owner = status.st_uid
    }

    package init(device: UInt64, inode: UInt64, bytes: Int, modifiedNanoseconds: Int64, owner: UInt32 = 0) {
        self.device = device
        self.inode = inode
        self.bytes = bytes
        self.modifiedNanoseconds = modifiedNanoseconds
        self.owner = owner
    }

    /// Of a regular file; null where there is none of that name. Symbolic links are not followed.
    public init?(path: String) {
        var status = stat()
        guard path.withRawPath({ lstat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        self.init(status)
    }

    public var description: String { "\(device):\(inode):\(bytes):\(modifiedNanoseconds)" }
}
