import Foundation
import Glibc
import Interface
import Logging
import NIOCore
import Synchronization
import TestSupport
import Testing
import Varlink
import WebClient

/// Event streams, and slow, oversized or many clients.
@Suite(.timeLimit(.minutes(15))) struct StreamTests {
    private static let event = ManagerInterface.Event(
        kind: "corpus_rejected", level: .warning, message: "<script>alert(1)</script>\n\nevent: hello", fields: [:],
        time: "2026-01-01T00:00:00.000Z")

    private static let ask = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"

    /// 200 pages share one subscription and need no thread each.
    @Test func twoHundredPagesReceiveTheSameEvents() async throws {
        try await WebUnderTest.run { web in
            var watching = web.service.watching.stream.makeAsyncIterator()
            _ = await watching.next()
            let (greeted, continuation) = AsyncStream.makeStream(of: Void.self)
            let heard = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        try await web.conversation { inbound, outbound in
                            try await outbound.write(ByteBuffer(string: Self.ask))
                            var heard = ""
                            try await frames(inbound) { frame in
                                if frame.contains("event: hello") { continuation.yield() }
                                guard frame.contains("event: event") else { return false }
                                heard = frame
                                return true
                            }
                            return heard
                        }
                    }
                }
                var count = 0
                for await _ in greeted {
                    count += 1
                    if count == 200 { break }
                }
                let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
                #expect(threads < 100)
                #expect(try await web.get("/metrics").body.contains("kantaibert_web_event_streams 200\n"))
                web.service.tell(Self.event)
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(heard.count == 1)
            // An event is one line of data, regardless of its text.
            let data = try #require(heard.first?.components(separatedBy: "data: ").last)
            let decoded = try JSONDecoder().decode(ManagerInterface.Event.self, from: Data(data.utf8))
            #expect(decoded == Self.event)
        }
    }

    @Test func stepsAreBatched() async throws {
        try await WebUnderTest.run { web in
            var watching = web.service.watching.stream.makeAsyncIterator()
            _ = await watching.next()
            try await web.conversation { inbound, outbound in
                try await outbound.write(ByteBuffer(string: Self.ask))
                var steps: [Int] = []
                var frameCount = 0
                let began = ContinuousClock.now
                try await frames(inbound) { frame in
                    if frame.contains("event: hello") {
                        for step in 1...100 {
                            web.service.tell(
                                .init(kind: "step", level: .info, message: "", fields: ["step": .int(step)], time: ""))
                        }
                    }
                    guard let data = frame.components(separatedBy: "event: steps\ndata: ").dropFirst().first else {
                        return false
                    }
                    frameCount += 1
                    let events = try JSONDecoder().decode(
                        [ManagerInterface.Event].self, from: Data(data.utf8))
                    steps += events.compactMap { if case .int(let step)? = $0.fields["step"] { step } else { nil } }
                    return steps.count >= 100
                }
                #expect(steps == Array(1...100))
                // Two frames are at least a quarter of a second apart.
                #expect(frameCount <= Int((ContinuousClock.now - began) / .milliseconds(250)) + 2)
            }
        }
    }

    @Test func reportsWhenTheServiceStopsAndStarts() async throws {
        try await WebUnderTest.run(service: false) { web in
            try await web.conversation { inbound, outbound in
                try await outbound.write(ByteBuffer(string: Self.ask))
                var iterator = inbound.makeAsyncIterator()
                func wait(for word: String) async throws {
                    var text = ""
                    while let piece = try await iterator.next() {
                        text += String(buffer: piece)
                        if text.contains(word) { return }
                    }
                    Issue.record("\(word) was not received")
                }
                try await wait(for: #""up":false"#)
                try await web.withService { try await wait(for: #""up":true,"version":"1.0""#) }
                try await wait(for: #""up":false"#)
                try await web.withService { try await wait(for: #""up":true"#) }
            }
        }
    }

    /// Sends half a request and waits for the server to close the connection.
    @Test(arguments: [
        "GET /health HT",
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ])
    func idleClientsAreDisconnected(beginning: String) async throws {
        var limits = HTTPLimits.patient
        // Long enough to receive the beginning on a busy machine.
        limits.idle = .seconds(2)
        try await WebUnderTest.run(limits: limits) { web in
            do {
                try await web.conversation { inbound, outbound in
                    try await outbound.write(ByteBuffer(string: beginning))
                    for try await _ in inbound {}
                }
            } catch is ChannelError {
                // Closed before the rest was received, which is also correct.
            } catch let error as IOError where error.errnoCode == ECONNRESET {
            }
        }
    }

    /// Requests a large response and does not read it.
    @Test func clientsThatDoNotReadAreDisconnected() async throws {
        var limits = HTTPLimits.patient
        limits.stalled = .milliseconds(200)
        try await WebUnderTest.run(limits: limits) { web in
            var watching = web.service.watching.stream.makeAsyncIterator()
            _ = await watching.next()
            let descriptor = try connect(to: web.port)
            defer { close(descriptor) }
            _ = Self.ask.withCString { Glibc.send(descriptor, $0, strlen($0), 0) }
            let long = String(repeating: "long ", count: 20_000)
            // The kernel and the server buffer several megabytes before the writer has to wait.
            var isOpen = true
            while isOpen {
                for _ in 0..<20 {
                    web.service.tell(.init(kind: "problem", level: .error, message: long, fields: [:], time: ""))
                }
                try await Task.sleep(for: .milliseconds(20))
                let metrics = try await web.get("/metrics").body
                if metrics.contains("kantaibert_web_event_streams 1\n") { continue }
                isOpen = !metrics.contains("kantaibert_events_total")
            }
        }
    }

    @Test func oversizedRequestsAreRejected() async throws {
        try await WebUnderTest.run { web in
            let prompt = String(repeating: "a", count: 1 << 20)
            let answer = try await web.post("/v1/completions", json: #"{"prompt": "\#(prompt)"}"#)
            #expect(answer.status == 413)
            #expect(try answer.error().code == "body_too_large")
            let header = try? await web.get("/health", headers: ["X": String(repeating: "a", count: 40_000)])
            #expect(header?.status ?? 400 == 400)
            #expect(try await web.get("/health").status == 200)
        }
    }

    @Test func repeatedFailuresAreLoggedOnce() async throws {
        let warnings = Warnings()
        try await WebUnderTest.run(service: false, logger: Logger(label: "test") { _ in warnings }) { web in
            for _ in 0..<20 {
                let answer = try await web.get("/api/status")
                #expect(answer.status == 503)
            }
        }
        #expect(warnings.lines.withLock { $0 }.filter { $0.hasPrefix("GET /api/status: ") }.count == 1)
    }

    @Test func connectionsOverTheLimitAreClosed() async throws {
        var limits = HTTPLimits.patient
        limits.connections = 3
        try await WebUnderTest.run(limits: limits) { web in
            let held = try (0..<3).map { _ in try connect(to: web.port) }
            let answers = try await blocking {
                held.map { descriptor in
                    _ = Self.ask.withCString { Glibc.send(descriptor, $0, strlen($0), 0) }
                    var byte: UInt8 = 0
                    return recv(descriptor, &byte, 1, 0)
                }
            }
            #expect(answers == [1, 1, 1])
            let answered = try await web.conversation { inbound, _ in
                var count = 0
                for try await piece in inbound { count += piece.readableBytes }
                return count
            }
            #expect(answered == 0)
            for descriptor in held { close(descriptor) }
            // Connections are released once the server notices.
            var isServed = false
            while !isServed {
                do {
                    isServed = try await web.conversation { inbound, outbound in
                        try? await outbound.write(ByteBuffer(string: Self.ask))
                        for try await piece in inbound { return piece.readableBytes > 0 }
                        return false
                    }
                } catch let error as IOError where error.errnoCode == ECONNRESET {
                    // Closed while it was connecting.
                }
            }
        }
    }

    func connect(to port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
        return descriptor
    }
}

/// Collects the warnings of a log.
final class Warnings: LogHandler {
    let lines = Mutex<[String]>([])
    var logLevel: Logger.Level {
        get { .warning }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }

    func log(event: LogEvent) { lines.withLock { $0.append("\(event.message)") } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
}
