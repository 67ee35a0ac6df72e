import Durable
import Glibc

/// The directories that users can write to: the inbox, and one subdirectory per model.
///
/// They are sticky: only the owner of a file and the service, which owns the directory, can remove or rename it, but no
/// other member of the group.
public enum InboxFolders {
    /// Subject to the umask.
    private static let mode: mode_t = 0o1775

    /// Creates missing directories.
    ///
    /// Any other entry that has the name of a model is left in place: it belongs to a user and must not prevent
    /// startup.
    public static func prepare(_ path: String, models: [String]) throws(DurableError) {
        try Durable.makeDirectory(path, mode: mode)
        guard let inbox = OpenFolder(path, depth: 0) else {
            throw DurableError(operation: "open", path: path, errno: errno)
        }
        makeSticky(inbox)
        var isChanged = false
        for model in models {
            if model.withRawPath({ mkdirat(inbox.descriptor, $0, mode) }) == 0 {
                isChanged = true
            } else if errno != EEXIST {
                throw DurableError(operation: "mkdir", path: "\(path)/\(model)", errno: errno)
            } else if let folder = OpenFolder(model, in: inbox) {
                makeSticky(folder)
            }
        }
        if isChanged { try inbox.sync(path: path) }
    }

    /// Whether members of the group can remove or rename each other's files in the inbox.
    public static func isShared(_ path: String) -> Bool {
        guard let status = OpenFolder(path, depth: 0)?.status else { return false }
        return status.st_mode & 0o022 != 0 && status.st_mode & S_ISVTX == 0
    }

    /// Sets the sticky bit on a directory that an older version created. The sandbox of the unit does not permit this
    /// for a setgid directory; `systemd-tmpfiles --create` does it instead.
    private static func makeSticky(_ folder: OpenFolder) {
        guard let status = folder.status, status.st_uid == geteuid(), status.st_mode & S_ISVTX == 0,
            status.st_mode & 0o022 != 0
        else { return }
        _ = fchmod(folder.descriptor, status.st_mode & 0o7777 | S_ISVTX)
    }
}
