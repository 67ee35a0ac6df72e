import FoundationEssentials
import Glibc
import Logging
import Testing
import Varlink
import VarlinkServer

/// An interface with a method of each kind.
enum Example {
    static let name = "org.example.test"
    static let description = """
        interface org.example.test

        method Echo(text: string, times: ?int) -> (text: string)
        method Count(to: int) -> (number: int)
        method Ticks() -> (number: int)
        method Sleep() -> ()
        method Fail(how: string) -> ()
        method Later() -> ()

        error Refused (text: string)

        """

    struct Number: Codable, Sendable, Equatable {
        var number: Int
    }

    enum Echo: VarlinkMethod {
        static let name = "org.example.test.Echo"
        struct Parameters: Codable, Sendable {
            var text: String
            var times: Int?
        }
        struct Reply: Codable, Sendable, Equatable {
            var text: String
        }
    }

    /// Replies with 1…to if called with `more`, otherwise with `to`.
    enum Count: VarlinkMethod {
        static let name = "org.example.test.Count"
        struct Parameters: Codable, Sendable {
            var to: Int
        }
        typealias Reply = Number
    }

    /// A subscription: one tick, then silence.
    enum Ticks: VarlinkMethod {
        static let name = "org.example.test.Ticks"
        typealias Parameters = VarlinkNothing
        typealias Reply = Number
    }

    /// Ends only when cancelled.
    enum Sleep: VarlinkMethod {
        static let name = "org.example.test.Sleep"
        typealias Parameters = VarlinkNothing
        typealias Reply = VarlinkNothing
    }

    enum Fail: VarlinkMethod {
        static let name = "org.example.test.Fail"
        struct Parameters: Codable, Sendable {
            var how: String
        }
        typealias Reply = VarlinkNothing
    }

    /// Declared but not handled.
    enum Later: VarlinkMethod {
        static let name = "org.example.test.Later"
        typealias Parameters = VarlinkNothing
        typealias Reply = VarlinkNothing
    }

    struct Refused: VarlinkErrorReply, Equatable {
        static let name = "org.example.test.Refused"
        var text: String
    }

    struct Broken: Error {}

    /// - Parameter report: receives "begun" and "cancelled" for calls to `Sleep` and `Ticks`.
    static func service(report: AsyncStream<String>.Continuation? = nil) -> VarlinkService {
        var service = VarlinkService(vendor: "Example", product: "Test", version: "1", url: "https://example.org")
        service.add(interface: name, description: description)
        service.handle(Echo.self) { parameters, _ in
            .init(text: String(repeating: parameters.text, count: parameters.times ?? 1))
        }
        service.handleMore(Count.self) { parameters, context, writer in
            if context.more {
                for number in 1..<max(parameters.to, 1) { try await writer.send(Number(number: number)) }
            }
            try await writer.finish(Number(number: parameters.to))
        }
        service.handleSubscription(Ticks.self) { _, _, writer in
            try await writer.send(Number(number: 1))
            report?.yield("begun")
            defer { report?.yield("cancelled") }
            try await Task.sleep(for: .seconds(3600))
        }
        service.handle(Sleep.self) { _, _ in
            report?.yield("begun")
            defer { report?.yield("cancelled") }
            try await Task.sleep(for: .seconds(3600))
            return VarlinkNothing()
        }
        service.handle(Fail.self) { parameters, _ in
            switch parameters.how {
            case "refused": throw Refused(text: "no")
            case "denied": throw VarlinkServiceError.permissionDenied()
            default: throw Broken()
            }
        }
        return service
    }
}

/// Creates a temporary directory for `body` and removes it afterwards.
func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    var template = Array("/tmp/varlink-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
    try #require(made)
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

/// Runs a server in a temporary directory while `body` runs, then stops it and waits until it has ended.
func withServer<R: Sendable>(
    _ service: VarlinkService = Example.service(), limits: VarlinkServer.Limits = .init(),
    logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
    _ body: @Sendable (_ socket: String) async throws -> R
) async throws -> R {
    try await withTemporaryDirectory { directory in
        let path = "\(directory)/socket"
        let server = VarlinkServer(service: service, listener: .path(path), limits: limits, logger: logger)
        return try await withRunning(server) { try await body(path) }
    }
}

/// Runs `server` while `body` runs, and returns when it has stopped.
func withRunning<R: Sendable>(_ server: VarlinkServer, _ body: @Sendable () async throws -> R) async throws -> R {
    let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { continuation.finish() }
            try await server.run { continuation.yield() }
        }
        for await _ in listening { break }
        let result: Result<R, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        group.cancelAll()
        try await group.waitForAll()
        return try result.get()
    }
}

/// A connection that sends arbitrary bytes.
final class RawConnection: Sendable {
    private let descriptor: Int32

    init(path: String) throws {
        var address = try #require(UnixAddress.make(path))
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let status = UnixAddress.with(&address) { connect(descriptor, $0, $1) }
        try #require(status == 0)
        var patience = timeval(tv_sec: 300, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Returns false if the peer has closed the connection.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Whether the peer has closed the connection and nothing is left to read.
    var hasEnded: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0
    }

    /// Whether data or the end of the stream can be read.
    var isReadable: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Closes the sending side of the connection.
    func shutdownWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Returns the next message, or nil if the peer closes the connection before its end. Fails the test after five
    /// minutes.
    func receive() throws -> String? {
        var message: [UInt8] = []
        while true {
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
            try #require(count == 1, "nothing came: \(String(cString: strerror(errno)))")
            if byte == 0 { return String(decoding: message, as: UTF8.self) }
            message.append(byte)
        }
    }
}
