import Durable
import Glibc

extension CorpusStore {
    static let rejectedName = ".rejected"
    private static let longestName = 255
    private static let suffix = ".reason"

    /// Moves a file that is of no use to `.rejected/`, with the reason in `FILE.reason` beside it.
    ///
    /// Nothing rejected earlier is overwritten: a second `photo.jpg` becomes `photo.2.jpg`. The file keeps its owner and
    /// mode, so that whoever dropped it can copy it back.
    /// - Returns: where it lies now; null where it has gone or changed meanwhile
    @discardableResult
    public func reject(_ file: InboxFile, reason: String) throws(DurableError) -> String? {
        guard let folder = file.openFolder(), folder.signature(of: file.lastName) == file.signature else { return nil }
        if let obstacle = obstacle(toRemoving: file) { throw obstacle }
        let rejected = try openRejected()
        let name = freeName(for: RawPath.printable(file.lastName), in: rejected)
        // The reason first: one without a file harms nobody, and is used again when the file is offered again.
        try write("\(file.name): \(reason)\n", as: name + CorpusStore.suffix, in: rejected)
        guard folder.move(file.lastName, to: rejected, as: name) == 0 else {
            let cause = errno
            _ = (name + CorpusStore.suffix).withRawPath { unlinkat(rejected.descriptor, $0, 0) }
            throw DurableError(
                operation: "rename", path: file.path, errno: cause,
                hint: "its folder must be writable for this service, in the same file system as .rejected")
        }
        try rejected.sync(path: rejectedDirectory)
        try folder.sync(path: file.path)
        return "\(rejectedDirectory)/\(name)"
    }

    /// Why a file cannot be taken out of the inbox, with what its owner can do; null where it can.
    public func obstacle(toRemoving file: InboxFile) -> DurableError? {
        guard let errno = file.openFolder()?.obstacle(toRemoving: file.lastName) else { return nil }
        return DurableError(
            operation: "unlink", path: RawPath.shown(file.path), errno: errno,
            hint: "its folder must be writable for this service: chmod g+w it, or move the file into the inbox itself")
    }

    /// Opens `.rejected`, and makes it where it is missing.
    ///
    /// Who may put files into the inbox may also have put a link, a file or a folder of their own in its place: that is
    /// moved aside, and told of. What is opened here is the service's own, writable for nobody else, and used by its
    /// descriptor.
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
            hint: "somebody puts something else in its place again and again")
    }

    /// Members may read the reasons and copy their files back; only the service changes what lies there.
    private func restrict(_ folder: OpenFolder, _ status: stat) {
        let mode = status.st_mode & 0o7777
        let wanted = mode & ~0o022 | S_ISVTX | 0o050
        guard status.st_uid == geteuid(), mode != wanted else { return }
        // A unit's sandbox lets nobody ask for setgid, not even for a folder that has it.
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
            hint: "it must be a folder of the service's own, and no link: remove what lies there")
    }

    private func write(_ text: String, as name: String, in rejected: OpenFolder) throws(DurableError) {
        func failed(_ operation: String) -> DurableError {
            DurableError(operation: operation, path: "\(rejectedDirectory)/\(name)", errno: errno)
        }
        let aside = String(TemporaryName.beside(name).drop { $0 != "/" }.dropFirst())
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = aside.withRawPath { aside in retrying { openat(rejected.descriptor, aside, flags, 0o640) } }
        guard file >= 0 else { throw failed("open") }
        defer { close(file) }
        do throws(DurableError) {
            // For the group whatever the umask.
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
            // A file may itself be called FILE.reason; then it has a reason of its own.
            let others = [name, name + CorpusStore.suffix + CorpusStore.suffix]
            if others.allSatisfy({ rejected.status(of: $0) == nil }) { return name }
            // One name may come any number of times: not each of them looks at all before it.
            number = number < 99 ? number + 1 : Int.random(in: 100..<1_000_000_000)
        }
    }

    /// Removes what a killed rejection left half written.
    func clearRejected() throws(DurableError) {
        let scan = try FolderScan(path: rejectedDirectory, folder: try openRejected())
        while let name = scan.next() {
            guard TemporaryName.isLeftover(name) else { continue }
            _ = name.withRawPath { unlinkat(scan.folder.descriptor, $0, 0) }
        }
    }
}
