import Durable
import Glibc

/// A file in the inbox at the time it was inspected.
public struct InboxFile: Sendable, Hashable {
    /// The path in `RawPath` encoding.
    public let path: String
    /// The printable path relative to the inbox, not shortened.
    public let relativePath: String
    /// `relativePath` for records and display, such as `kant.txt` or `assistant/notes.txt`. If it exceeds `longestName`
    /// bytes, the middle is omitted; use `source` to identify the file.
    public let name: String
    public let signature: FileSignature

    /// Maximum length of `name` in bytes of UTF-8.
    public static let longestName = 255

    /// The first path component below the inbox, which is the name of the only model that this file trains. Nil if the
    /// file is in the inbox itself.
    public var folder: String? {
        relativePath.firstIndex(of: "/").map { String(relativePath[..<$0]) }
    }

    /// Identifies the file in records: equal values mean the same, unchanged file.
    public var source: String { signature.description }

    /// - Parameter name: the printable path relative to the inbox
    public init(path: String, name: String, signature: FileSignature) {
        self.path = path
        relativePath = name
        self.name = name.boundedInTheMiddle(toBytes: Self.longestName)
        self.signature = signature
    }
}

/// File metadata that distinguishes a file from other files and from its earlier versions without reading it.
public struct FileSignature: Sendable, Hashable, CustomStringConvertible {
    public let device: UInt64
    public let inode: UInt64
    public let bytes: Int
    public let modifiedNanoseconds: Int64
    /// When anything about the file changed last (`st_ctim`), which no user can set.
    public let changedNanoseconds: Int64
    /// User ID of the owner, or of the user who sent the file over the service's socket (`FileSender`).
    public let owner: UInt32

    init(_ status: stat, owner: UInt32? = nil) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int(status.st_size)
        modifiedNanoseconds = Self.nanoseconds(status.st_mtim)
        changedNanoseconds = Self.nanoseconds(status.st_ctim)
        self.owner = owner ?? status.st_uid
    }

    package init(
        device: UInt64, inode: UInt64, bytes: Int, modifiedNanoseconds: Int64, changedNanoseconds: Int64 = 0,
        owner: UInt32 = 0
    ) {
        self.device = device
        self.inode = inode
        self.bytes = bytes
        self.modifiedNanoseconds = modifiedNanoseconds
        self.changedNanoseconds = changedNanoseconds
        self.owner = owner
    }

    /// Wraps: a file can have a modification time that is out of range.
    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// Returns nil if the path does not exist or is not a regular file. Symbolic links are not followed.
    public init?(path: String) {
        var status = stat()
        guard path.withRawPath({ lstat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        self.init(status)
    }

    public var description: String { "\(device):\(inode):\(bytes):\(modifiedNanoseconds)" }
}
