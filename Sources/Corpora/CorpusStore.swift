import Crypto
import Durable
import Glibc

/// The admitted corpora, one file each, named by the SHA-256 of its bytes and never changed again.
///
/// A kill at any moment loses nothing if the caller keeps to this order: `admit`, record, `release`. A file that was
/// admitted but not released is offered again, and found to be in the store.
///
/// Calls block for as long as the disk takes.
public struct CorpusStore: Sendable {
    public let directory: String
    public let rejectedDirectory: String
    private static let chunkBytes = 1 << 20

    /// - Parameters:
    ///   - directory: `corpus/`
    ///   - rejectedDirectory: `inbox/.rejected`, in the same file system as the inbox
    public init(directory: String, rejectedDirectory: String) {
        self.directory = directory
        self.rejectedDirectory = rejectedDirectory
    }

    /// Makes the folders that are missing and removes what a killed admission left half written.
    public func prepare() throws(DurableError) {
        try Durable.makeDirectory(directory)
        try Durable.makeDirectory(rejectedDirectory)
        try TemporaryName.clearLeftovers(in: directory)
    }

    /// Copies a file into the store, forced to the disk, unless its bytes are there or are of no use. The file stays.
    ///
    /// Throws where the store cannot be written, a full disk for one: the file may be offered again later.
    public func admit(_ file: InboxFile) throws(DurableError) -> Admission {
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return CorpusStore.unreadable() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return CorpusStore.unreadable() }
        guard status.st_mode & S_IFMT == S_IFREG else { return .rejected(reason: "is not a regular file") }
        let before = FileSignature(status)

        let copy = try AsideFile(for: "\(directory)/admission", mode: 0o444)
        var inspection = TextInspection()
        var repair = UTF8Repair()
        var hash = SHA256()
        var bytes = 0
        var output: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: CorpusStore.chunkBytes, alignment: 16)
        defer { chunk.deallocate() }
        var ended = false
        while !ended {
            let count = retrying { read(descriptor, chunk.baseAddress, chunk.count) }
            guard count >= 0 else { return CorpusStore.unreadable() }
            let piece = UnsafeRawBufferPointer(rebasing: chunk[..<count])
            inspection.append(piece)
            if let reason = inspection.binaryReason { return .rejected(reason: reason) }
            output.removeAll(keepingCapacity: true)
            if count > 0 { repair.append(piece, to: &output) } else { repair.finish(to: &output) }
            hash.update(data: output)
            bytes += output.count
            try output.span.bytes.withUnsafeBytes { bytes throws(DurableError) in try copy.append(bytes) }
            ended = count == 0
        }
        guard fstat(descriptor, &status) == 0, FileSignature(status) == before else { return .postponed }
        if let reason = inspection.emptyReason { return .rejected(reason: reason) }

        let sha256 = hexadecimal(hash.finalize())
        let final = "\(directory)/\(sha256)"
        let stored = StoredCorpus(
            sha256: sha256, path: final, bytes: bytes, documents: 1, replacedBytes: repair.replacedBytes)
        if FileSignature(path: final)?.bytes == bytes { return .duplicate(stored) }
        try copy.publish(as: final)
        return .admitted(stored)
    }

    /// Removes a file that was admitted, and recorded, from the inbox, unless it has been changed since it was looked at.
    /// - Returns: whether it was removed; what has been changed will be offered again
    @discardableResult
    public func release(_ file: InboxFile) throws(DurableError) -> Bool {
        guard FileSignature(path: file.path) == file.signature else { return false }
        guard unlink(file.path) == 0 else {
            throw DurableError(
                operation: "unlink", path: file.path, errno: errno,
                hint: "its folder must be writable for this service; the corpus is safe in the store")
        }
        try Durable.syncDirectory(folder(of: file.path))
        return true
    }

    private static func unreadable() -> Admission {
        errno == ENOENT ? .postponed : .rejected(reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}

/// Calls again for as long as a signal interrupts the call.
func retrying(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
