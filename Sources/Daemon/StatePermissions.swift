import Durable
import FoundationEssentials
import Glibc

/// Permissions of the state directory. Everything except for the inbox and the sockets is private to the service,
/// because a user who can read a corpus or lock the database would have more rights than a client.
extension StateDirectory {
    /// Private entries; also those with a suffix, such as `metrics.db-wal`.
    private static let own = [
        "corpus", "models", "runs", "search", "word-counts", "machine.json", "schedule.json", "notify.json",
        "metrics.db",
        "corpora.jsonl", "lock",
    ]
    private static let shared: Set = ["inbox", "io.kantaibert", "transfer"]

    /// Entries that were accessible to others.
    package struct Tightened: Equatable, Sendable {
        package var folders: Int
        package var files: Int

        package init(folders: Int = 0, files: Int = 0) {
            self.folders = folders
            self.files = files
        }

        package var isEmpty: Bool { folders + files == 0 }
    }

    /// Members of the group need to pass through the root to reach the inbox and the socket.
    func makeRoot(group: String?) throws(DurableError) {
        guard access(root, F_OK) != 0 else { return }
        try Durable.makeDirectory(root)
        guard let group, let entry = getgrnam(group) else { return try Self.change(root, mode: 0o710) }
        let isGiven = chown(root, uid_t.max, entry.pointee.gr_gid) == 0
        try Self.change(root, mode: isGiven ? 0o710 : 0o711)
    }

    /// Restricts entries that an older version had left accessible to others: directories to 0700, files to 0600. The contents of
    /// such a directory need no change, because they can no longer be reached. Uses descriptors and does not follow links.
    ///
    /// The root remains searchable by others. It becomes unwritable for them, and unreadable if it contains only entries of the
    /// service.
    package func tighten() throws(DurableError) -> Tightened {
        let folder = try Self.open(root, at: AT_FDCWD, flags: O_DIRECTORY)
        defer { close(folder) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let isAllOwn = names.allSatisfy { isOwn($0) || Self.shared.contains($0) || TemporaryName.isLeftover($0) }
        var tightened = Tightened()
        if Self.restrict(folder, taking: isAllOwn ? 0o066 : 0o022) != nil { tightened.folders += 1 }
        for name in names where isOwn(name) || TemporaryName.isLeftover(name) {
            // Must not block, regardless of the type of the entry.
            guard let entry = try? Self.open(name, at: folder, flags: O_NOFOLLOW | O_NONBLOCK) else { continue }
            defer { close(entry) }
            switch Self.restrict(entry, taking: 0o077) {
            case S_IFDIR?: tightened.folders += 1
            case S_IFREG?: tightened.files += 1
            default: continue
            }
        }
        return tightened
    }

    private func isOwn(_ name: String) -> Bool {
        Self.own.contains { name == $0 || name.hasPrefix("\($0).") || name.hasPrefix("\($0)-") }
    }

    /// - Returns: the kind of the entry if it was changed; nil if it needed no change or belongs to another user
    private static func restrict(_ descriptor: Int32, taking bits: mode_t) -> mode_t? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_mode & bits != 0
        else { return nil }
        // A directory that everyone may write in, such as /tmp, is left unchanged.
        guard status.st_mode & S_ISVTX == 0 else { return nil }
        return fchmod(descriptor, status.st_mode & 0o7777 & ~bits) == 0 ? status.st_mode & S_IFMT : nil
    }

    static func change(_ path: String, mode: mode_t) throws(DurableError) {
        let folder = try open(path, at: AT_FDCWD, flags: O_DIRECTORY | O_NOFOLLOW)
        defer { close(folder) }
        guard fchmod(folder, mode) == 0 else { throw DurableError(operation: "chmod", path: path, errno: errno) }
    }

    private static func open(_ path: String, at folder: Int32, flags: Int32) throws(DurableError) -> Int32 {
        let descriptor = retrying { openat(folder, path, O_RDONLY | O_CLOEXEC | flags) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        return descriptor
    }
}
