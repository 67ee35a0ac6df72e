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

/// Clients that hold connections without using them.
@Suite(.timeLimit(.minutes(15))) struct CrowdTests {
    private static let ask = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"

    private func connect(_ count: Int, to web: WebUnderTest, sending text: String = "") throws -> [Int32] {
        try (0..<count).map { _ in
            let descriptor = try StreamTests().connect(to: web.port)
            _ = text.withCString { Glibc.send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
            return descriptor
        }
    }

    /// Waits until the server has answered or closed `count` of the connections.
    ///
    /// The kernel completes connections before the server accepts them. Until then, later clients would still be queued
    /// behind the crowd.
    private func waitUntil(_ count: Int, of descriptors: [Int32]) async throws {
        try await blocking {
            let deadline = ContinuousClock.now + .seconds(300)
            var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            while poll(&entries, nfds_t(entries.count), 0) < count {
                try #require(ContinuousClock.now < deadline)
                usleep(10_000)
            }
        }
    }

    /// More connections than the limit, with nothing sent, half a head, or a missing body.
    @Test(arguments: [
        "", "GET /health HT",
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        "GET /api/place HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ])
    func sixHundredIdleConnectionsDoNotBlockOthers(beginning: String) async throws {
        // Both ends belong to this process.
        var descriptors = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
        descriptors.rlim_cur = min(descriptors.rlim_max, max(descriptors.rlim_cur, 4096))
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0)
        try #require(descriptors.rlim_cur >= 2048)
        try await WebUnderTest.run { web in
            let idle = try connect(600, to: web, sending: beginning)
            defer { for descriptor in idle { close(descriptor) } }
            // A connection whose request is being answered cannot be replaced yet.
            let isAnswered = beginning.hasPrefix("GET /api/place")
            try await waitUntil(isAnswered ? 600 : 600 - HTTPLimits().connections, of: idle)
            // No timeout closes the idle connections: each request displaces one of them.
            for _ in 0..<20 { #expect(try await web.get("/health").status == 200) }
        }
    }

    /// A request in progress keeps its connection, no matter how many clients connect.
    @Test func requestInProgressIsNotClosedForAnother() async throws {
        var limits = HTTPLimits.patient
        limits.connections = 4
        try await WebUnderTest.run(limits: limits) { web in
            try await web.conversation { inbound, outbound in
                try await outbound.write(ByteBuffer(string: Self.ask))
                var iterator = inbound.makeAsyncIterator()
                _ = try await iterator.next()
                let idle = try connect(20, to: web)
                defer { for descriptor in idle { close(descriptor) } }
                try await waitUntil(17, of: idle)
                #expect(try await web.get("/health").status == 200)
                var watching = web.service.watching.stream.makeAsyncIterator()
                _ = await watching.next()
                web.service.tell(.init(kind: "problem", level: .error, message: "still here", fields: [:], time: ""))
                var text = ""
                while !text.contains("still here"), let piece = try await iterator.next() {
                    text += String(buffer: piece)
                }
                #expect(text.contains("still here"))
            }
        }
    }

    /// The newest page receives events; the one with the oldest stream reconnects.
    @Test func newestEventStreamReplacesTheOldest() async throws {
        var limits = HTTPLimits.patient
        limits.eventStreams = 2
        try await WebUnderTest.run(limits: limits) { web in
            func greeted(_ iterator: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) async throws -> Bool
            {
                var text = ""
                while !text.contains("event: hello"), let piece = try await iterator.next() {
                    text += String(buffer: piece)
                }
                return text.contains("event: hello")
            }
            try await web.conversation { firstIn, firstOut in
                try await firstOut.write(ByteBuffer(string: Self.ask))
                var first = firstIn.makeAsyncIterator()
                #expect(try await greeted(&first))
                try await web.conversation { secondIn, secondOut in
                    try await secondOut.write(ByteBuffer(string: Self.ask))
                    var second = secondIn.makeAsyncIterator()
                    #expect(try await greeted(&second))
                    try await web.conversation { thirdIn, thirdOut in
                        try await thirdOut.write(ByteBuffer(string: Self.ask))
                        var third = thirdIn.makeAsyncIterator()
                        #expect(try await greeted(&third))
                        // The first stream ends; the others do not.
                        while try await first.next() != nil {}
                        #expect(try await web.get("/metrics").body.contains("kantaibert_web_event_streams 2\n"))
                    }
                }
            }
        }
    }

    /// The clients of one remote address only displace each other.
    @Test func connectionsPerAddressAreLimited() async throws {
        var limits = HTTPLimits.patient
        limits.connectionsPerAddress = 2
        let elsewhere = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
        // The test treats 127.0.0.1 as a remote address.
        limits.peer = { $0?.ipAddress == "127.0.0.1" ? Peer(elsewhere) : nil }
        try await WebUnderTest.run(limits: limits) { web in
            let idle = try connect(20, to: web)
            defer { for descriptor in idle { close(descriptor) } }
            try await waitUntil(18, of: idle)
            // The longest-waiting connection of the same address is closed.
            #expect(try await web.get("/health").status == 200)
            try await web.conversation { firstIn, firstOut in
                try await firstOut.write(ByteBuffer(string: Self.ask))
                var first = firstIn.makeAsyncIterator()
                #expect(try await first.next() != nil)
                try await web.conversation { secondIn, secondOut in
                    try await secondOut.write(ByteBuffer(string: Self.ask))
                    var second = secondIn.makeAsyncIterator()
                    #expect(try await second.next() != nil)
                    // Both are being answered: a third connection is closed immediately.
                    let answered = try await web.conversation { inbound, _ in
                        var count = 0
                        for try await piece in inbound { count += piece.readableBytes }
                        return count
                    }
                    #expect(answered == 0)
                }
            }
        }
    }

    @Test(
        arguments: [
            ("127.0.0.1", nil), ("127.4.5.6", nil), ("::1", nil), ("::ffff:127.0.0.1", nil), ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2"),
        ] as [(String, String?)])
    func connectionCountsAgainstItsAddressOrNetwork(address: String, same: String?) throws {
        let peer = Peer(try SocketAddress(ipAddress: address, port: 1))
        let expected = try same.flatMap { Peer(try SocketAddress(ipAddress: $0, port: 2)) }
        #expect(peer == expected)
        for other in ["192.0.2.9", "2001:db8:0:1::1"] {
            let other = Peer(try SocketAddress(ipAddress: other, port: 1))
            #expect(peer == nil || peer != other)
        }
    }
}

/// Limits the memory of request bodies.
struct BodyBytesTests {
    @Test func largeBodiesDoNotBlockSmallOnes() {
        let bytes = BodyBytes(limit: 100, free: 10)
        do {
            let first = bytes.begin()
            #expect(first.grow(to: 50))
            let second = bytes.begin()
            #expect(second.grow(to: 70))
            let third = bytes.begin()
            #expect(third.grow(to: 10))
            #expect(!third.grow(to: 11))
            #expect(!first.grow(to: 51))
            #expect(first.grow(to: 20))
            withExtendedLifetime((first, second, third)) {}
        }
        #expect(bytes.begin().grow(to: 110))
        #expect(!bytes.begin().grow(to: 111))
    }
}

/// A faulty service, or another program on its socket.
struct HostileServiceTests {
    /// Replies the same to every call except the event subscription.
    private static func client(_ replies: String...) -> ServiceClient {
        let messages = replies.map { Array($0.utf8) }
        return ServiceClient { call in
            if String(decoding: call, as: UTF8.self).contains("Manager.Watch") {
                try await Task.sleep(for: .seconds(3600))
            }
            return messages
        }
    }

    @Test func tokenCountsThatOverflowAreClamped() async throws {
        let count = Int.max
        let reply =
            #"{"parameters":{"text":"a","finish_reason":"end","prompt_tokens":\#(count),"generated_tokens":\#(count)}}"#
        try await WebUnderTest.run(client: Self.client(reply), service: false) { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt":["a","b"]}"#)
            #expect(answer.status == 200)
            let usage = try #require(try answer.json()["usage"] as? [String: Int])
            #expect(usage.values.allSatisfy { $0 == .max })
        }
    }

    @Test(arguments: [Int.max, Int.min, -1]) func retryAfterIsClamped(milliseconds: Int) async throws {
        let reply = #"{"error":"io.kantaibert.Inference.Overloaded","parameters":{"retry_after_ms":\#(milliseconds)}}"#
        try await WebUnderTest.run(client: Self.client(reply), service: false) { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt":"a"}"#)
            #expect(answer.status == 429)
            #expect(try #require(answer.headers["retry-after"].flatMap { Int($0) }) <= 3600)
        }
    }

    @Test func malformedRepliesFailTheCall() async throws {
        for reply in [
            "", "{", "[]", "null", #"{"parameters":[]}"#, #"{"continues":true,"parameters":{"models":[]}}"#,
            String(repeating: "[", count: 100_000),
        ] {
            try await WebUnderTest.run(client: Self.client(reply), service: false) { web in
                let models = try await web.get("/v1/models")
                #expect(models.status == 503)
                let metrics = try await web.get("/metrics")
                #expect(metrics.body.contains("kantaibert_up 0\n"))
            }
        }
    }

    /// Sends endlessly: one endless reply, and endless replies.
    @Test(arguments: ["a", "{\"continues\":true,\"parameters\":{\"text\":\"a\"}}\0"])
    func endlessRepliesAreCutOff(piece: String) async throws {
        let path = "/tmp/kantaibert-web-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        let listening = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(listening)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        try #require(isBound && listen(listening, 4) == 0)
        let pieces = Array(String(repeating: piece, count: 10_000).utf8)
        let sent = Mutex(0)
        let thread = Thread {
            let connection = accept(listening, nil, nil)
            while true {
                let count = pieces.withUnsafeBytes {
                    send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { break }
                sent.withLock { $0 += count }
            }
            close(connection)
        }
        thread.start()
        var limits = ServiceClient.Limits()
        limits.replyBytes = 1 << 20
        limits.callBytes = 2 << 20
        let client = ServiceClient(path: path, limits: limits)
        await #expect(throws: VarlinkClientError.self) {
            try await client.callMore(InferenceInterface.Generate.self, .init(prompt: "a")) { _ in }
        }
        #expect(sent.withLock { $0 } < 64 << 20)
    }
}

/// The parts of requests that are logged.
struct LogTests {
    @Test func logLinesAreBoundedAndContainNoSecrets() async throws {
        let warnings = Warnings()
        let name = String(repeating: "n", count: 10_000)
        try await WebUnderTest.run(service: false, logger: Logger(label: "test") { _ in warnings }) { web in
            let headers = WebUnderTest.authorized
            #expect(try await web.get("/v1/models/\(name)", headers: headers).status == 503)
            let answer = try await web.post("/v1/completions", json: #"{"prompt":"a secret prompt"}"#, headers: headers)
            #expect(answer.status == 503)
        }
        let lines = warnings.lines.withLock { $0 }
        #expect(!lines.isEmpty)
        for line in lines {
            #expect(line.utf8.count < 1000)
            #expect(!line.contains(WebUnderTest.token.text) && !line.contains("a secret prompt"))
        }
    }
}
