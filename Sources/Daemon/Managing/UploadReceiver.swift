import AsyncSupport
import Durable
import Glibc
import Interface
import Varlink

/// Receives the files of one call of `Put` from a connected socket and publishes each in the inbox once it is complete.
///
/// The bytes pass through the service, instead of open files as for `Import`: members are not trusted, and a file on a file
/// system of theirs can block whoever reads it. Of a file that is not complete nothing remains, also after a kill
/// (`SharedFolder.clearLeftovers`). Reading blocks, but never longer than `step`.
final class UploadReceiver: @unchecked Sendable {
    // @unchecked: `step` is not called concurrently.

    struct Published: Sendable, Equatable {
        let index: Int
        let name: String
        let file: InboxOutcomes.FileID
    }

    /// Longest duration of a step, after which the caller learns about the progress.
    private static let step = Duration.seconds(2)
    /// Number of bytes after which the free space is checked again, because other processes write to the same disk.
    private static let bytesUnchecked = 16 << 20
    /// A sender that is slower on average, after a minute, is cut off: it occupies a place that others may need.
    private static let leastBytesPerSecond = 16 << 10

    private let connection: OpenDescriptor
    private let folder: SharedFolder
    private let uploads: [(name: String, bytes: Int)]
    private let user: uid_t
    private let reserve: Int
    private let patience: Duration
    /// Called with each file before it is published.
    private let willPublish: (Int, InboxOutcomes.FileID) -> Void
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    private var index = 0
    private var current: IncomingFile?
    private var left = 0
    private var unchecked = 0
    private let began = ContinuousClock.now
    private var heard = ContinuousClock.now
    private(set) var received = 0

    /// - Parameters:
    ///   - uploads: safe names and sizes
    ///   - user: the sender
    ///   - reserve: the bytes of the disk that stay free
    ///   - patience: how long the sender may be silent
    init(
        _ uploads: [(name: String, bytes: Int)], from connection: OpenDescriptor, of user: uid_t,
        into folder: SharedFolder, reserve: Int, patience: Duration,
        willPublish: @escaping (Int, InboxOutcomes.FileID) -> Void
    ) {
        self.uploads = uploads
        self.connection = connection
        self.folder = folder
        self.user = user
        self.reserve = reserve
        self.patience = patience
        self.willPublish = willPublish
    }

    deinit { block.deallocate() }

    var isDone: Bool { index == uploads.count }

    /// Receives until a file is complete, but for a limited time.
    /// - Returns: the file that is now in the inbox, if any
    /// - Throws: `TransferFailed` if the sender closes the connection or falls silent; `DurableError`; `PutRefused`
    func step(_ flag: CancellationFlag) throws -> Published? {
        let end = ContinuousClock.now.advanced(by: Self.step)
        let file = try open()
        while left > 0 {
            guard ContinuousClock.now < end else { return nil }
            try flag.check()
            try receive(into: file)
        }
        let published = try publish(file)
        current = nil
        index += 1
        return published
    }

    private func open() throws -> IncomingFile {
        if let current { return current }
        let upload = uploads[index]
        // Readable by the service only: its sender has the original, and other members have no right to it.
        let file = try IncomingFile(in: folder, for: upload.name, mode: 0o600)
        _ = FileSender.record(user, of: file.descriptor)
        current = file
        left = upload.bytes
        return file
    }

    private func receive(into file: IncomingFile) throws {
        var entry = pollfd(fd: connection.number, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 50) > 0 else {
            guard heard.duration(to: .now) < patience else {
                throw ManagerInterface.TransferFailed(
                    reason: "nothing was received for \(Int(patience / .seconds(1))) seconds")
            }
            return
        }
        let count = retrying { recv(connection.number, block.baseAddress, min(block.count, left), 0) }
        guard count >= 0 else {
            if errno == EAGAIN { return }
            throw DescriptorPassingError.system(operation: "recv", errno: errno)
        }
        guard count > 0 else {
            throw ManagerInterface.TransferFailed(
                reason: "the connection was closed \(left) bytes before the end of \(uploads[index].name)")
        }
        heard = .now
        let seconds = began.duration(to: heard) / .seconds(1)
        guard Double(received + count) >= (seconds - 60) * Double(Self.leastBytesPerSecond) else {
            throw ManagerInterface.TransferFailed(
                reason: "fewer than \(Self.leastBytesPerSecond) bytes per second were received")
        }
        unchecked += count
        if unchecked >= Self.bytesUnchecked {
            unchecked = 0
            try FreeSpace.require(0, at: folder.path, reserve: reserve)
        }
        try file.append(UnsafeRawBufferPointer(rebasing: block[..<count]))
        left -= count
        received += count
    }

    private func publish(_ file: IncomingFile) throws -> Published {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else {
            throw DurableError(operation: "stat", path: folder.path, errno: errno)
        }
        let id = InboxOutcomes.FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        willPublish(index, id)
        guard let name = try file.publish(asOneLike: uploads[index].name) else {
            throw ManagerInterface.PutRefused(
                reason: "too many files named \(uploads[index].name) are already in the inbox")
        }
        heard = .now
        return Published(index: index, name: name, file: id)
    }
}
