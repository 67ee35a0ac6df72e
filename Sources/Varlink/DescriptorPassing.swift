import Glibc

/// An open file descriptor that is closed when the last reference is released.
///
/// Code that uses `number` must keep a reference for as long.
public final class OpenDescriptor: Sendable {
    public let number: Int32

    /// Takes ownership of `number`.
    public init(_ number: Int32) {
        self.number = number
    }

    deinit {
        close(number)
    }
}

/// A failure to pass file descriptors.
public enum DescriptorPassingError: Error, Sendable, Equatable {
    case system(operation: String, errno: Int32)
    /// The peer closed the connection first.
    case closed
    /// More than `limit` descriptors were received; all have been closed.
    case tooMany(limit: Int)
}

extension DescriptorPassingError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let operation, let number): "\(operation): \(String(cString: strerror(number)))"
        case .closed: "the connection was closed before a descriptor was received"
        case .tooMany(let limit): "more than \(limit) descriptors were received"
        }
    }
}

/// Passes file descriptors over a connected Unix socket, as `SCM_RIGHTS` with a message of one byte; see unix(7).
public enum DescriptorPassing {
    /// From `bits/socket.h`, where they are constants of C enumerations.
    private static let rights: Int32 = 1
    private static let closeOnExec: Int32 = 0x4000_0000
    private static let controlTruncated: Int32 = 0x8

    /// The size of `struct cmsghdr`: a `size_t` for the length and an `int` each for level and type.
    private static let headerBytes = 16
    private static let alignment = 8

    /// Sends `descriptors`, which the caller continues to own. The kernel accepts at most 253.
    public static func send(_ descriptors: [Int32], over socket: Int32) throws(DescriptorPassingError) {
        let length = headerBytes + descriptors.count * MemoryLayout<Int32>.size
        let sent: Int = withMessage(controlBytes: descriptors.isEmpty ? 0 : padded(length)) { message, control in
            if !descriptors.isEmpty {
                control.storeBytes(of: length, toByteOffset: 0, as: Int.self)
                control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
                control.storeBytes(of: rights, toByteOffset: 12, as: Int32.self)
                descriptors.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: control[headerBytes...]).copyMemory(from: $0)
                }
            }
            while true {
                let count = sendmsg(socket, &message, Int32(MSG_NOSIGNAL))
                if count >= 0 || errno != EINTR { return count }
            }
        }
        guard sent >= 0 else {
            if errno == EPIPE || errno == ECONNRESET { throw .closed }
            throw .system(operation: "sendmsg", errno: errno)
        }
    }

    /// Receives the descriptors of the next message, with close-on-exec set.
    ///
    /// Regardless of what the peer sends, at most `limit` descriptors are kept, and none remains open if this method
    /// throws.
    public static func receive(atMost limit: Int, over socket: Int32) throws(DescriptorPassingError) -> [OpenDescriptor]
    {
        var received: [OpenDescriptor] = []
        var flags: Int32 = 0
        let space = padded(headerBytes + limit * MemoryLayout<Int32>.size)
        let count: Int = withMessage(controlBytes: space) { message, control in
            while true {
                let count = recvmsg(socket, &message, closeOnExec)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { return count }
                flags = message.msg_flags
                let filled = min(Int(message.msg_controllen), control.count)
                received = descriptors(in: UnsafeRawBufferPointer(rebasing: control[..<filled]))
                return count
            }
        }
        guard count >= 0 else {
            if errno == ECONNRESET { throw .closed }
            throw .system(operation: "recvmsg", errno: errno)
        }
        // The kernel discards what exceeds the control buffer. Padding may leave room for one more than `limit`.
        guard flags & controlTruncated == 0, received.count <= limit else { throw .tooMany(limit: limit) }
        guard count > 0 else { throw .closed }
        return received
    }

    /// Returns the descriptors in the control messages written by the kernel.
    private static func descriptors(in control: UnsafeRawBufferPointer) -> [OpenDescriptor] {
        var found: [OpenDescriptor] = []
        var start = 0
        while start + headerBytes <= control.count {
            let length = control.loadUnaligned(fromByteOffset: start, as: Int.self)
            guard length >= headerBytes, length <= control.count - start else { break }
            let level = control.loadUnaligned(fromByteOffset: start + 8, as: Int32.self)
            let type = control.loadUnaligned(fromByteOffset: start + 12, as: Int32.self)
            if level == SOL_SOCKET && type == rights {
                for offset in stride(from: start + headerBytes, to: start + length - 3, by: MemoryLayout<Int32>.size) {
                    found.append(OpenDescriptor(control.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
                }
            }
            start += padded(length)
        }
        return found
    }

    /// Calls `body` with a message of one zero byte and a buffer for control messages.
    private static func withMessage(
        controlBytes: Int, _ body: (inout msghdr, UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { payload in
            var part = iovec(iov_base: payload.baseAddress, iov_len: payload.count)
            return withUnsafeMutablePointer(to: &part) { part in
                withUnsafeTemporaryAllocation(byteCount: max(controlBytes, alignment), alignment: alignment) {
                    control in
                    control.initializeMemory(as: UInt8.self, repeating: 0)
                    var message = msghdr()
                    message.msg_iov = part
                    message.msg_iovlen = 1
                    message.msg_control = controlBytes > 0 ? control.baseAddress : nil
                    message.msg_controllen = controlBytes
                    return body(&message, UnsafeMutableRawBufferPointer(rebasing: control[..<controlBytes]))
                }
            }
        }
    }

    private static func padded(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }
}
