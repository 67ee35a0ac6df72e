import Durable
import Glibc

extension CorpusStore {
    private static let longestName = 255
    private static let suffix = ".reason"

    /// Moves a file that is of no use to `.rejected/`, with the reason in `FILE.reason` beside it.
    ///
    /// Nothing rejected earlier is overwritten: a second `photo.jpg` becomes `photo.2.jpg`.
    /// - Returns: where it lies now; null where it has gone or changed meanwhile
    @discardableResult
    public func reject(_ file: InboxFile, reason: String) throws(DurableError) -> String? {
        guard let folder = file.openFolder(), folder.signature(of: file.lastName) == file.signature else { return nil }
        try makeRejectedDirectory()
        let destination = freePath(for: RawPath.printable(file.lastName))
        // The reason first: one without a file harms nobody, and is used again when the file is offered again.
        try Durable.write("\(file.name): \(reason)\n", to: destination + CorpusStore.suffix)
        guard file.lastName.withRawPath({ renameat(folder.descriptor, $0, AT_FDCWD, destination) }) == 0 else {
            throw DurableError(
                operation: "rename", path: file.path, errno: errno,
                hint: "its folder must be writable for this service, in the same file system as .rejected")
        }
        try Durable.syncDirectory(rejectedDirectory)
        try sync(folder, of: file)
        return destination
    }

    /// Who may put files into the inbox may also have removed the folder, or put a link in its place.
    private func makeRejectedDirectory() throws(DurableError) {
        if !exists(rejectedDirectory) { try Durable.makeDirectory(rejectedDirectory) }
        guard OpenFolder(rejectedDirectory, depth: 1) != nil else {
            throw DurableError(
                operation: "open", path: rejectedDirectory, errno: errno, hint: "it must be a folder, and no link")
        }
    }

    private func freePath(for name: String) -> String {
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
            let path = "\(rejectedDirectory)/\(kept)\(mark)"
            // A file may itself be called FILE.reason; then it has a reason of its own.
            let taken = exists(path) || exists(path + CorpusStore.suffix + CorpusStore.suffix)
            if !taken { return path }
            number += 1
        }
    }

    func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }
}
