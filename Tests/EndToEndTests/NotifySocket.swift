import Foundation
import Glibc

/// A socket that receives READY, STATUS and STOPPING notifications in place of systemd.
final class NotifySocket {
    let path: String
    private let descriptor: Int32
    private let lines = Lines()

    /// Lines that were received and not yet waited for.
    private final class Lines: @unchecked Sendable {
        // @unchecked: `lines` is guarded by `condition`.
        private let condition = NSCondition()
        private var lines: [String] = []

        func append(_ text: String) {
            condition.withLock {
                lines += text.split(separator: "\n").map(String.init)
                condition.broadcast()
            }
        }

        func removeAll() { condition.withLock { lines = [] } }

        func wait(for line: String, until deadline: Date) -> Bool {
            condition.withLock {
                while true {
                    if let place = lines.firstIndex(of: line) {
                        lines.removeFirst(place + 1)
                        return true
                    }
                    guard condition.wait(until: deadline) else { return false }
                }
            }
        }
    }

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EINVAL) }
        // Read continuously, as systemd does: a full socket would block the service.
        Thread.detachNewThread { [descriptor, lines] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count > 0 else { break }
                lines.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
            close(descriptor)
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        unlink(path)
    }

    /// Discards all received lines, so that the next wait only matches later ones.
    func forget() { lines.removeAll() }

    /// Waits for a line and discards the lines before it.
    /// - Returns: false if it did not arrive within `seconds`
    func waits(for line: String, seconds: Double) -> Bool {
        lines.wait(for: line, until: Date(timeIntervalSinceNow: seconds))
    }
}
