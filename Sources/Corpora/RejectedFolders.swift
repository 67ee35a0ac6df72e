import Durable
import Glibc

/// The folder of `.rejected` for a file.
package struct RejectedFolder {
    package fileprivate(set) var folder: OpenFolder
    /// The printable path.
    package fileprivate(set) var path: String
    /// The folders that were created for the file, with the folders they are in, the outermost first.
    fileprivate var created: [(name: String, outer: OpenFolder)] = []

    /// Removes the folders that were created, because no file was moved to them.
    package func removeCreated() {
        for (name, outer) in created.reversed() {
            _ = name.withRawPath { unlinkat(outer.descriptor, $0, AT_REMOVEDIR) }
        }
    }
}

/// The folders of `.rejected`, which mirror those of the inbox, so that it is evident where a file came from.
extension CorpusStore {
    /// Maximum depth. A file from deeper down is moved to the last of these folders. The folders therefore take little
    /// space compared to the minimum that is counted for each file.
    static let rejectedDepth = 8
    /// Maximum number of names tried for a folder whose name is taken by rejected files. Then the file is moved to the
    /// folder outside it.
    private static let mostFolderNames = 99

    /// Opens the folder of `.rejected` for a file, creating it if necessary.
    package func openRejected(for file: InboxFile) throws(DurableError) -> RejectedFolder {
        var rejected = RejectedFolder(folder: try openRejected(), path: rejectedDirectory)
        for part in file.folderNames.prefix(CorpusStore.rejectedDepth) {
            do throws(DurableError) {
                guard try openFolder(RawPath.printable(part), in: &rejected) else { break }
            } catch {
                rejected.removeCreated()
                throw error
            }
        }
        return rejected
    }

    /// Opens or creates a subdirectory. If a rejected file has its name, the directory gets a number.
    /// - Returns: false if all names are taken
    private func openFolder(_ name: String, in rejected: inout RejectedFolder) throws(DurableError) -> Bool {
        let (folder, path) = (rejected.folder, rejected.path)
        for number in 1...CorpusStore.mostFolderNames {
            let mark = number == 1 ? "" : ".\(number)"
            let name = name.boundedInTheMiddle(toBytes: 255 - mark.utf8.count) + mark
            let isNew = name.withRawPath { mkdirat(folder.descriptor, $0, 0o1750) } == 0
            guard isNew || errno == EEXIST else {
                throw DurableError(operation: "mkdir", path: "\(path)/\(name)", errno: errno)
            }
            if isNew { rejected.created.append((name, folder)) }
            if let inner = OpenFolder(name, in: folder), let status = inner.status, let outer = folder.status,
                status.st_dev == outer.st_dev, status.st_uid == geteuid()
            {
                restrict(inner, status)
                if isNew { try folder.sync(path: path) }
                (rejected.folder, rejected.path) = (inner, "\(path)/\(name)")
                return true
            }
        }
        return false
    }
}

extension OpenFolder {
    /// Calls `body` with every entry below this directory that is not a directory, and the directory it is in. Does not
    /// follow links, and ignores directories more than `depth` levels down.
    func forEachEntry(
        depth: Int, path: String, _ body: (_ folder: OpenFolder, _ name: String) -> Void
    ) throws(DurableError) {
        var scans = [try FolderScan(path: path, folder: self)]
        while let scan = scans.last {
            guard let (name, isFolder) = scan.nextEntry() else {
                scans.removeLast()
                continue
            }
            guard isFolder ?? scan.folder.isFolder(name) else {
                body(scan.folder, name)
                continue
            }
            guard scans.count <= depth, let inner = OpenFolder(name, in: scan.folder) else { continue }
            scans.append(try FolderScan(path: "\(scan.path)/\(name)", folder: inner))
        }
    }

    /// Whether an entry is a directory.
    func isFolder(_ name: String) -> Bool { status(of: name).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }
}
