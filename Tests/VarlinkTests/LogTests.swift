import Logging
import Synchronization
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Log messages about clients identify them and are limited in number.
@Suite(.timeLimit(.minutes(15))) struct LogTests {
    @Test func endedSubscriptionIsNotAnError() async throws {
        enum Last: VarlinkMethod {
            static let name = "org.example.test.Last"
            typealias Parameters = VarlinkNothing
            typealias Reply = VarlinkNothing
        }
        enum Silent: VarlinkMethod {
            static let name = "org.example.test.Silent"
            typealias Parameters = VarlinkNothing
            typealias Reply = VarlinkNothing
        }
        var service = Example.service()
        service.handleSubscription(Last.self) { _, _, writer in
            try await writer.send(.init())
            try await writer.finish(.init())
        }
        service.handleSubscription(Silent.self) { _, _, writer in try await writer.send(.init()) }
        let lines = Lines()
        try await withServer(service, logger: lines.logger) { socket in
            try await blocking {
                // Another call may follow only after a last reply.
                let first = try VarlinkClient(path: socket)
                let replies = try first.callMore(Last.self, .init())
                #expect(try replies.next() != nil)
                #expect(try replies.next() != nil)
                #expect(try replies.next() == nil)
                #expect(try first.call(Example.Echo.self, .init(text: "a")).text == "a")
                let second = try VarlinkClient(path: socket).callMore(Silent.self, .init())
                #expect(try second.next() != nil)
                #expect(throws: VarlinkClientError.closed) { try second.next() }
            }
        }
        #expect(lines.all.filter { $0.level >= .notice } == [])
    }

    @Test func repeatedEventsAreSummarized() async throws {
        let lines = Lines()
        let limits = VarlinkServer.Limits(logInterval: .milliseconds(500))
        try await withServer(limits: limits, logger: lines.logger) { socket in
            let began = ContinuousClock.now
            try await blocking {
                for _ in 0..<300 {
                    let connection = try RawConnection(path: socket)
                    connection.send("no call\0")
                    #expect(try connection.receive() == nil)
                }
                let client = try VarlinkClient(path: socket)
                for _ in 0..<1000 {
                    #expect(throws: VarlinkUnknownError.self) {
                        try client.call(Example.Fail.self, .init(how: "broken"))
                    }
                }
            }
            var told = (cutOff: 0, failed: 0)
            // Each event is a line or included in the count of one.
            for await line in lines.stream {
                let count = line.times ?? 1
                if line.text.hasPrefix("client cut off") { told.cutOff += count }
                if line.text.hasPrefix("a call failed") { told.failed += count }
                if told == (300, 1000) { break }
            }
            let intervals = Int(began.duration(to: .now) / .milliseconds(500)) + 2
            for start in ["client cut off", "a call failed"] {
                let written = lines.all.filter { $0.text.hasPrefix(start) }
                #expect(written.count <= intervals, "\(written)")
                #expect(written[0].text.contains("(process ") && written.last?.times != nil)
            }
        }
    }
}

/// A log handler that stores messages.
private final class Lines: Sendable {
    struct Line: Sendable, Equatable {
        var level: Logger.Level
        var text: String
        /// The number of events that the line summarizes.
        var times: Int?
    }

    private let kept = Mutex<[Line]>([])
    let stream: AsyncStream<Line>
    private let continuation: AsyncStream<Line>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    var all: [Line] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: Lines
        var logLevel = Logger.Level.trace
        var metadata = Logger.Metadata()

        func log(event: LogEvent) {
            let times = event.metadata?["times"].flatMap { Int("\($0)") }
            let line = Line(level: event.level, text: "\(event.message)", times: times)
            lines.kept.withLock { $0.append(line) }
            lines.continuation.yield(line)
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
    }
}
