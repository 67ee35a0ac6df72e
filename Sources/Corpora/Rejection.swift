import Durable
import Glibc

extension CorpusStore {
    static let rejectedName = ".rejected"
    private static let longestName = 255
    private static let suffix = ".reason"

    /// Moves an unusable file to its folder in `.rejected/` and writes the reason to `FILE.reason` next to it:
    /// `chats/2020/a.txt` becomes `.rejected/chats/2020/a.txt`.
    ///
    /// Earlier rejected files are never overwritten: a second `photo.jpg` becomes `photo.2.jpg`. The file keeps its
    /// owner and mode, so that its owner can copy it back.
    /// - Returns: the new path, or nil if the file disappeared or changed in the meantime
    /// - Throws: `DurableError`, with `EDQUOT` if `.rejected` has no room for the file (`obstacle(toRejecting:)`)
    @discardableResult
    public func reject(_ file: InboxFile, reason: String) throws(DurableError) -> String? {
        guard let folder = file.openFolder(), folder.signature(of: file.lastName) == file.signature else { return nil }
        if let obstacle = obstacle(toRemoving: file) { throw obstacle }
        if let obstacle = try obstacle(toRejecting: file) { throw obstacle }
        let opened = try openRejected(for: file)
        let (rejected, path) = (opened.folder, opened.path)
        var isMoved = false
        defer { if !isMoved { opened.removeCreated() } }
        let name = freeName(for: RawPath.printable(file.lastName), in: rejected)
        // Write the reason first: a reason without its file is harmless, and is reused when the file is offered again.
        try write("\(file.name): \(reason)\n", as: name + CorpusStore.suffix, in: rejected, path: path)
        guard folder.move(file.lastName, to: rejected, as: name) == 0 else {
            let cause = errno
            _ = (name + CorpusStore.suffix).withRawPath { unlinkat(rejected.descriptor, $0, 0) }
            throw DurableError(
                operation: "rename", path: file.path, errno: cause,
                hint: "its directory must be writable for the service and be on the same file system as .rejected")
        }
        isMoved = true
        rejectedSpace.add(file.signature)
        try rejected.sync(path: path)
        try folder.sync(path: file.path)
        return "\(path)/\(name)"
    }

    /// Returns the reason a file cannot be removed from the inbox, with a hint for its owner, or nil if it can.
    public func obstacle(toRemoving file: InboxFile) -> DurableError? {
        file.openFolder().flatMap { obstacle(toRemoving: file, in: $0) }
    }

    func obstacle(toRemoving file: InboxFile, in folder: OpenFolder) -> DurableError? {
        guard let errno = folder.obstacle(toRemoving: file.lastName) else { return nil }
        return DurableError(
            operation: "unlink", path: RawPath.shown(file.path), errno: errno,
            hint: "make its directory writable for the service (chmod g+w), or move the file to the inbox itself")
    }

    /// Returns the reason that `.rejected` has no room for a file, with a hint, or nil if there is room.
    ///
    /// Files in `.rejected` are never deleted; the new file stays in the inbox.
    public func obstacle(toRejecting file: InboxFile) throws(DurableError) -> DurableError? {
        let limit = try rejectedSpace.excess(of: file.signature, in: inbox) { () throws(DurableError) in
            try openRejected()
        }
        return limit.map { limit in
            DurableError(
                operation: "rename", path: RawPath.shown(file.path), errno: EDQUOT,
                hint:
                    "it cannot be used, and .rejected has room for \(limit) bytes of such files: remove it from the inbox, "
                    + "or have an administrator clear .rejected")
        }
    }

    /// Whether a name in `.rejected` is that of a reason file.
    static func isReason(_ name: String) -> Bool { name.hasSuffix(suffix) }

    /// Opens `.rejected`, creating it if necessary.
    ///
    /// Users who can write to the inbox can also create a link, file or directory with this name. It is moved aside and
    /// reported. The directory that is returned belongs to the service, is writable for no other user, and is accessed
    /// through its descriptor.
    func openRejected() throws(DurableError) -> OpenFolder {
        guard let inbox = OpenFolder(self.inbox, depth: 0), let owner = inbox.status else {
            throw DurableError(operation: "open", path: self.inbox, errno: errno)
        }
        for _ in 0..<8 {
            if let folder = OpenFolder(CorpusStore.rejectedName, in: inbox), let status = folder.status {
                if status.st_dev == owner.st_dev, [geteuid(), owner.st_uid, 0].contains(status.st_uid) {
                    restrict(folder, status)
                    return folder
                }
            } else if errno == ENOENT {
                guard mkdirat(inbox.descriptor, CorpusStore.rejectedName, 0o1750) == 0 || errno == EEXIST else {
                    throw DurableError(operation: "mkdir", path: rejectedDirectory, errno: errno)
                }
                try inbox.sync(path: self.inbox)
                continue
            } else if ![ELOOP, ENOTDIR, EACCES].contains(errno) {
                throw DurableError(operation: "open", path: rejectedDirectory, errno: errno)
            }
            try setAside(in: inbox)
        }
        throw DurableError(
            operation: "open", path: rejectedDirectory, errno: EBUSY,
            hint: "another process keeps replacing this directory")
    }

    /// Sets the mode so that group members can read reasons and copy files back, but only the service can make changes.
    func restrict(_ folder: OpenFolder, _ status: stat) {
        let mode = status.st_mode & 0o7777
        let wanted = mode & ~0o022 | S_ISVTX | 0o050
        guard status.st_uid == geteuid(), mode != wanted else { return }
        // The sandbox of the unit denies setting setgid, even on a directory that already has it.
        if fchmod(folder.descriptor, wanted) != 0 { _ = fchmod(folder.descriptor, wanted & ~S_ISGID) }
    }

    private func setAside(in inbox: OpenFolder) throws(DurableError) {
        for number in 1...99 {
            let name = "\(CorpusStore.rejectedName).aside-\(number)"
            if inbox.move(CorpusStore.rejectedName, to: inbox, as: name) == 0 {
                try inbox.sync(path: self.inbox)
                return tell(.foreignRejected(path: rejectedDirectory, movedTo: "\(self.inbox)/\(name)"))
            }
            if errno == ENOENT { return }
            if errno != EEXIST { break }
        }
        throw DurableError(
            operation: "rename", path: rejectedDirectory, errno: errno,
            hint: "it must be a directory owned by the service, not a link: remove what is there")
    }

    private func write(
        _ text: String, as name: String, in rejected: OpenFolder, path: String
    ) throws(DurableError) {
        func failed(_ operation: String) -> DurableError {
            DurableError(operation: operation, path: "\(path)/\(name)", errno: errno)
        }
        let aside = String(TemporaryName.beside(name).drop { $0 != "/" }.dropFirst())
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = aside.withRawPath { aside in retrying { openat(rejected.descriptor, aside, flags, 0o640) } }
        guard file >= 0 else { throw failed("open") }
        defer { close(file) }
        do throws(DurableError) {
            // Group-readable regardless of the umask.
            guard fchmod(file, 0o640) == 0 else { throw failed("chmod") }
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { rest in retrying { Glibc.write(file, rest.baseAddress, rest.count) }
                }
                guard count >= 0 else { throw failed("write") }
                rest = rest.dropFirst(count)
            }
            guard retrying({ fsync(file) }) == 0 else { throw failed("fsync") }
            let isNamed = aside.withRawPath { aside in
                name.withRawPath { renameat(rejected.descriptor, aside, rejected.descriptor, $0) == 0 }
            }
            guard isNamed else { throw failed("rename") }
        } catch {
            _ = aside.withRawPath { unlinkat(rejected.descriptor, $0, 0) }
            throw error
        }
    }

    /// Returns a name that is not in use, inserting a number before the extension if necessary.
    private func freeName(for name: String, in rejected: OpenFolder) -> String {
        let dot = name.dropFirst().lastIndex(of: ".") ?? name.endIndex
        let ending = name[dot...].utf8.count <= 16 ? String(name[dot...]) : ""
        let stem = ending.isEmpty ? name : String(name[..<dot])
        var number = 1
        while true {
            let mark = (number == 1 ? "" : ".\(number)") + ending
            var kept = Substring(stem)
            while kept.utf8.count + mark.utf8.count + CorpusStore.suffix.utf8.count > CorpusStore.longestName {
                kept.removeLast()
            }
            let name = "\(kept)\(mark)"
            // A rejected file may itself be named FILE.reason and then has its own FILE.reason.reason.
            let others = [name, name + CorpusStore.suffix + CorpusStore.suffix]
            // A folder that was rejected from may be named FILE.reason.
            if !rejected.isFolder(name + CorpusStore.suffix), others.allSatisfy({ rejected.status(of: $0) == nil }) {
                return name
            }
            // A random number bounds the number of lookups when the same name is rejected many times.
            number = number < 99 ? number + 1 : Int.random(in: 100..<1_000_000_000)
        }
    }

    /// Removes partial files left behind by an interrupted rejection.
    func clearRejected() throws(DurableError) {
        let rejected = try openRejected()
        try rejected.forEachEntry(depth: CorpusStore.rejectedDepth, path: rejectedDirectory) { folder, name in
            guard TemporaryName.isLeftover(name) else { return }
            _ = name.withRawPath { unlinkat(folder.descriptor, $0, 0) }
        }
    }
}
