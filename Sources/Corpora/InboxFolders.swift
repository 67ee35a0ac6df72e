import Durable
import Glibc

/// The folders that users may write in: the inbox, and one in it for each model.
///
/// They are sticky: a name in them is removed or renamed by the file's owner and by the service, which owns the folder, and
/// by no other member of the group.
public enum InboxFolders {
    /// Less the umask.
    private static let mode: mode_t = 0o1775

    /// Makes those that are missing.
    ///
    /// Whatever else has a model's name in the inbox stays: it is a user's, and no reason not to start.
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

    /// Whether the inbox lets members remove or rename each other's files.
    public static func isShared(_ path: String) -> Bool {
        guard let status = OpenFolder(path, depth: 0)?.status else { return false }
        return status.st_mode & 0o022 != 0 && status.st_mode & S_ISVTX == 0
    }

    /// A folder that an older version made. One that gives its group away (setgid) a unit's sandbox does not let us
    /// change; `systemd-tmpfiles --create` does.
    private static func makeSticky(_ folder: OpenFolder) {
        guard let status = folder.status, status.st_uid == geteuid(), status.st_mode & S_ISVTX == 0,
            status.st_mode & 0o022 != 0
        else { return }
        _ = fchmod(folder.descriptor, status.st_mode & 0o7777 | S_ISVTX)
    }
}
