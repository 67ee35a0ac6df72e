import Glibc
import Varlink

/// An open file to add to the inbox.
public struct UploadedFile: Sendable {
    public let name: String
    public let bytes: Int
    public let file: OpenDescriptor

    public init(name: String, bytes: Int, file: OpenDescriptor) {
        self.name = name
        self.bytes = bytes
        self.file = file
    }
}

/// A file that has become shorter while it was sent.
public struct UploadTruncated: Error, Sendable, Equatable {
    public let name: String
}

/// The client's side of `Put`.
extension VarlinkClient {
    /// Sends files to the service's inbox.
    /// - Parameters:
    ///   - progress: called with the file that is being sent and the number of its bytes that have been sent
    ///   - receive: called with each reply about a file
    /// - Throws: the error reply of the service, `UploadTruncated`, `VarlinkClientError`, `DescriptorPassingError`. Files that
    ///   `receive` was called with are in the inbox nevertheless.
    public func put(
        _ files: [UploadedFile], into model: String?, wait: Bool, progress: (_ index: Int, _ sent: Int) -> Void,
        receive: (ManagerInterface.Received) throws -> Void
    ) throws {
        let uploads = files.map { ManagerInterface.Upload(name: $0.name, bytes: $0.bytes) }
        let replies = try callMore(
            ManagerInterface.Put.self, .init(model: model, files: uploads, wait: wait ? true : nil))
        guard let transfer = try replies.next()?.transfer else {
            throw VarlinkClientError.malformedReply(reason: "the reply to Put does not name a socket")
        }
        let socket = try Self.connect(transfer: transfer)
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { block.deallocate() }
        sending: for (index, file) in files.enumerated() {
            var sent = 0
            progress(index, 0)
            while sent < file.bytes {
                let count = pread(file.file.number, block.baseAddress, min(block.count, file.bytes - sent), off_t(sent))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw VarlinkClientError.system(operation: "read \(file.name)", errno: errno) }
                guard count > 0 else { throw UploadTruncated(name: file.name) }
                // If the service has closed the socket, its next reply says why.
                guard try Self.send(UnsafeRawBufferPointer(rebasing: block[..<count]), over: socket) else {
                    break sending
                }
                sent += count
                progress(index, sent)
                while try replies.wait(for: .zero) {
                    guard let reply = try replies.next() else { return }
                    if let received = reply.file { try receive(received) }
                }
            }
        }
        while let reply = try replies.next() {
            if let received = reply.file { try receive(received) }
        }
    }

    /// - Returns: false if the other end has closed the socket
    private static func send(_ bytes: UnsafeRawBufferPointer, over socket: OpenDescriptor) throws -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.send(socket.number, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE || errno == ECONNRESET { return false }
                throw DescriptorPassingError.system(operation: "send", errno: errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        return true
    }
}
