import Durable
import Glibc

/// The folders of `.rejected`, which mirror those of the inbox, so that it is evident where a file came from.
extension CorpusStore {
    /// Maximum depth. A file from deeper down is moved to the last of these folders, so that the folders take little
    /// space compared to the minimum that a file counts as.
    static let rejectedDepth = 8

    /// Opens the folder of `.rejected` for a file, creating it if necessary.
    /// - Returns: the folder and its printable path
    func openRejected(for file: InboxFile) throws(DurableError) -> (folder: OpenFolder, path: String) {
        var (folder, path) = (try openRejected(), rejectedDirectory)
        for part in file.folderNames.prefix(CorpusStore.rejectedDepth) {
            let name: String
            (folder, name) = try openFolder(RawPath.printable(part), in: folder, path: path)
            path += "/\(name)"
        }
        return (folder, path)
    }

    /// Opens or creates a subdirectory. If a rejected file has its name, the directory gets a number.
    private func openFolder(
        _ name: String, in folder: OpenFolder, path: String
    ) throws(DurableError) -> (OpenFolder, name: String) {
        for number in 1...99 {
            let mark = number == 1 ? "" : ".\(number)"
            let name = name.boundedInTheMiddle(toBytes: 255 - mark.utf8.count) + mark
            let isNew = name.withRawPath { mkdirat(folder.descriptor, $0, 0o1750) } == 0
            guard isNew || errno == EEXIST else {
                throw DurableError(operation: "mkdir", path: "\(path)/\(name)", errno: errno)
            }
            if let inner = OpenFolder(name, in: folder), let status = inner.status, let outer = folder.status,
                status.st_dev == outer.st_dev, status.st_uid == geteuid()
            {
                restrict(inner, status)
                if isNew { try folder.sync(path: path) }
                return (inner, name)
            }
        }
        throw DurableError(operation: "mkdir", path: "\(path)/\(name)", errno: EEXIST)
    }
}

extension OpenFolder {
    /// Calls `body` with every entry below this directory that is not a directory, and the directory it is in. Does not
    /// follow links, and ignores directories more than `depth` levels down.
    func forEachEntry(
        depth: Int, path: String, _ body: (_ folder: OpenFolder, _ name: String, _ status: stat) -> Void
    ) throws(DurableError) {
        var scans = [try FolderScan(path: path, folder: self)]
        while let scan = scans.last {
            guard let name = scan.next() else {
                scans.removeLast()
                continue
            }
            guard let status = scan.folder.status(of: name) else { continue }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                body(scan.folder, name, status)
                continue
            }
            guard scans.count <= depth, let inner = OpenFolder(name, in: scan.folder) else { continue }
            scans.append(try FolderScan(path: "\(scan.path)/\(name)", folder: inner))
        }
    }
}
