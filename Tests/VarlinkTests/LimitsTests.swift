import Glibc
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Hostile clients are cut off and, if they read, told why; other clients are not delayed.
@Suite(.serialized, .timeLimit(.minutes(15))) struct LimitsTests {
    private static let sleep = #"{"method":"org.example.test.Sleep"}"# + "\0"

    /// Calls on new connections until one is answered: with limits of milliseconds a busy machine may take too long for some.
    private func expectAnswer(_ socket: String) throws {
        for attempt in 1... {
            do {
                #expect(try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "a")).text == "a")
                return
            } catch  where attempt < 1000 {}
        }
    }

    @Test func connectionsOverTheLimitAreToldWhy() async throws {
        try await withServer(limits: .init(connections: 2)) { socket in
            try await blocking {
                let first = try VarlinkClient(path: socket)
                var second: VarlinkClient? = try VarlinkClient(path: socket)
                #expect(try first.call(Example.Echo.self, .init(text: "1")).text == "1")
                #expect(try second?.call(Example.Echo.self, .init(text: "2")).text == "2")
                let refused = VarlinkLimitsInterface.TooManyConnections(limit: 2, perUser: false)
                #expect(throws: refused) {
                    try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "3"))
                }
                second = nil
                // The connection is released once the server has noticed that the second client disconnected.
                while true {
                    let client = try VarlinkClient(path: socket)
                    do {
                        #expect(try client.call(Example.Echo.self, .init(text: "4")).text == "4")
                        break
                    } catch let error as VarlinkLimitsInterface.TooManyConnections {
                        #expect(error == refused)
                    }
                }
            }
        }
    }

    @Test func oneUserCannotOccupyAllConnections() async throws {
        try await withServer(limits: .init(connections: 10, connectionsPerUser: 3)) { socket in
            try await blocking {
                let places = try (0..<3).map { _ in try VarlinkClient(path: socket) }
                for client in places { _ = try client.call(Example.Echo.self, .init(text: "")) }
                #expect(throws: VarlinkLimitsInterface.TooManyConnections(limit: 3, perUser: true)) {
                    try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: ""))
                }
                for client in places { _ = try client.call(Example.Echo.self, .init(text: "")) }
            }
        }
    }

    @Test func closesIdleConnectionsButNotSubscriptions() async throws {
        try await withServer(limits: .init(idle: .milliseconds(300))) { socket in
            try await blocking {
                let subscriber = try RawConnection(path: socket)
                subscriber.send(#"{"method":"org.example.test.Ticks","more":true}"# + "\0")
                #expect(try subscriber.receive() != nil)
                let idle = try RawConnection(path: socket)
                let began = ContinuousClock.now
                #expect(try idle.receive() == nil)
                #expect(ContinuousClock.now - began >= .milliseconds(250))
                #expect(!subscriber.hasEnded)
                // A client that reconnects is answered again.
                try expectAnswer(socket)
            }
        }
    }

    @Test func slowRequestsTimeOut() async throws {
        try await withServer(limits: .init(receiving: .milliseconds(500))) { socket in
            try await blocking {
                let slow = try RawConnection(path: socket)
                let began = ContinuousClock.now
                slow.send("{")
                let other = try VarlinkClient(path: socket)
                while slow.send(" ") {
                    #expect(try other.call(Example.Echo.self, .init(text: "a")).text == "a")
                    usleep(20_000)
                }
                #expect(ContinuousClock.now - began >= .milliseconds(450))
                #expect(
                    try slow.receive()
                        == #"{"error":"org.example.Limits.TimedOut","parameters":{"part":"request","seconds":0.5}}"#)
                #expect(try slow.receive() == nil)
            }
        }
    }

    @Test func endlessMessagesAreCutOff() async throws {
        try await withServer(limits: .init(messageBytes: 1 << 16)) { socket in
            try await blocking {
                let endless = try RawConnection(path: socket)
                let piece = [UInt8](repeating: 0x5b, count: 1 << 14)
                var pieces = 0
                while endless.send(piece) { pieces += 1 }
                // The limit plus the capacity of the socket buffers.
                #expect(pieces < 64)
                #expect(try endless.receive()?.contains("RequestTooLarge") == true)
                #expect(try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "a")).text == "a")
            }
        }
    }

    /// Incomplete requests occupy memory: one user gets at most half of it, and others are served.
    @Test func incompleteRequestsAreLimitedPerUser() async throws {
        let limits = VarlinkServer.Limits(
            messageBytes: 4 << 20, requestMemory: 32 << 20, requestMemoryPerUser: 16 << 20)
        try await withServer(limits: limits) { socket in
            try await blocking {
                let piece = [UInt8](repeating: 0x22, count: 3 << 20)
                var crowd: [RawConnection] = []
                var refused = 0
                for _ in 0..<20 {
                    let half = try RawConnection(path: socket)
                    half.send(piece)
                    crowd.append(half)
                }
                // Twice the received size is counted for each of them.
                let deadline = ContinuousClock.now + .seconds(300)
                while crowd.count(where: \.isReadable) < 17 {
                    try #require(ContinuousClock.now < deadline)
                    usleep(10_000)
                }
                for half in crowd where half.isReadable {
                    #expect(
                        try half.receive()?.contains(#"RequestMemoryExceeded","parameters":{"limit":16777216"#) == true)
                    refused += 1
                }
                #expect(refused >= 17, "\(refused)")
                #expect(try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "a")).text == "a")
                // Their memory is released when they disconnect.
                crowd = []
                var isAnswered = false
                while !isAnswered {
                    do {
                        let text = String(repeating: "x", count: 3 << 20)
                        #expect(
                            try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: text)).text.count
                                == 3 << 20)
                        isAnswered = true
                    } catch is VarlinkLimitsInterface.RequestMemoryExceeded {}
                }
            }
        }
    }

    @Test func deeplyNestedRequestsAreNotDecoded() async throws {
        try await withServer { socket in
            try await blocking {
                let nested = try RawConnection(path: socket)
                let depth = JSONShape.deepest + 1
                let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
                nested.send(#"{"method":"org.example.test.Echo","parameters":{"text":"a","x":\#(value)}}"# + "\0")
                #expect(try nested.receive()?.contains("InvalidParameter") == true)
                nested.send(#"{"method":"org.example.test.Echo","parameters":{"text":"a"}}"# + "\0")
                #expect(try nested.receive()?.contains(#""text":"a""#) == true)
            }
        }
    }

    @Test func shapeIgnoresStrings() {
        let shape = JSONShape(Array(#"{"a":[1,2,{"b":"[[[,,,:\"["}]}"#.utf8))
        #expect(shape.depth == 3 && shape.values == 6 && shape.members == 2)
        #expect(JSONShape([]).values == 1)
    }

    @Test func clientIsToldThatRequestIsTooLarge() async throws {
        try await withServer(limits: .init(messageBytes: 1 << 16)) { socket in
            try await blocking { () throws -> Void in
                #expect(throws: VarlinkLimitsInterface.RequestTooLarge(limit: 1 << 16)) {
                    let text = String(repeating: "x", count: 8 << 20)
                    _ = try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: text))
                }
            }
        }
    }

    /// A request with a short name for the test output, which would otherwise contain its whole text.
    struct DearRequest: CustomTestStringConvertible, Sendable {
        var testDescription: String
        /// The value of an unknown parameter.
        var value: String
        /// Further parameters, each followed by a comma.
        var members: String

        init(_ name: String, value: String, members: String = "") {
            testDescription = name
            self.value = value
            self.members = members
        }
    }

    /// JSON texts for which a naive parser takes longer than the timeout of `receive`.
    @Test(arguments: [
        DearRequest("nested arrays", value: String(repeating: "[", count: 500_000)),
        DearRequest("nested objects", value: String(repeating: #"{"a":"#, count: 300_000)),
        DearRequest("closed nesting", value: String(repeating: "[", count: 400) + String(repeating: "]", count: 400)),
        DearRequest(
            "many members", value: "0",
            members: (0..<20_000).map { #""m\#($0)":0.5,"# }.joined() + #""times":1.5,"#),
        DearRequest("a huge number", value: String(repeating: "9", count: 1_000_000)),
        DearRequest("a huge exponent", value: "1e999999999"),
    ])
    func expensiveRequestsDoNotBlockOthers(request: DearRequest) async throws {
        try await withServer { socket in
            try await blocking {
                let dear = try RawConnection(path: socket)
                dear.send(
                    #"{"method":"org.example.test.Echo","parameters":{\#(request.members)"text":"a","x":\#(request.value)}}"#
                        + "\0")
                let reply = try dear.receive()
                if let reply { #expect(reply.contains("InvalidParameter")) }
                #expect(try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "a")).text == "a")
            }
        }
    }

    @Test func clientsThatDoNotReadAreCutOff() async throws {
        enum Flood: VarlinkMethod {
            static let name = "org.example.test.Flood"
            typealias Parameters = VarlinkNothing
            struct Reply: Codable, Sendable { var text: String }
        }
        let (reports, report) = AsyncStream.makeStream(of: Int.self)
        var service = Example.service()
        service.handleSubscription(Flood.self) { _, _, writer in
            var sent = 0
            defer { report.yield(sent) }
            while true {
                try await writer.send(.init(text: String(repeating: "x", count: 1 << 16)))
                sent += 1
            }
        }
        try await withServer(service, limits: .init(reading: .milliseconds(500))) { socket in
            let deaf = try await blocking {
                let deaf = try RawConnection(path: socket)
                deaf.send(#"{"method":"org.example.test.Flood","more":true}"# + "\0")
                return deaf
            }
            // Only as much was sent as the socket buffers hold; the server buffers nothing in addition.
            let sent = await reports.first { _ in true }
            #expect(try #require(sent) < 64)
            try await blocking {
                #expect(try VarlinkClient(path: socket).call(Example.Echo.self, .init(text: "a")).text == "a")
                while try deaf.receive() != nil {}
            }
        }
    }

    @Test func callsWithoutReplyTimeOut() async throws {
        let (reports, report) = AsyncStream.makeStream(of: String.self)
        try await withServer(Example.service(report: report), limits: .init(answering: .milliseconds(400))) { socket in
            try await blocking {
                #expect(throws: VarlinkLimitsInterface.TimedOut(part: .answer, seconds: 0.4)) {
                    try VarlinkClient(path: socket).call(Example.Sleep.self, .init())
                }
                // Further bytes do not extend the deadline.
                let eager = try RawConnection(path: socket)
                eager.send(Self.sleep)
                while eager.send(" ") { usleep(20_000) }
                #expect(try eager.receive()?.contains("TimedOut") == true)
            }
        }
        report.finish()
        var told: [String] = []
        for await report in reports { told.append(report) }
        #expect(told.filter { $0 == "cancelled" }.count == 2)
    }

    /// Twenty replies together take longer than the limit for an answer, but each of them much less. If the machine is
    /// too busy for that, all times are increased.
    @Test func progressingStreamDoesNotTimeOut() async throws {
        enum Drip: VarlinkMethod {
            static let name = "org.example.test.Drip"
            typealias Parameters = VarlinkNothing
            typealias Reply = Example.Number
        }
        for limit in [1, 5, 25] {
            var service = Example.service()
            service.handleMore(Drip.self) { _, _, writer in
                for number in 1..<20 {
                    try await writer.send(.init(number: number))
                    try await Task.sleep(for: .milliseconds(75 * limit))
                }
                try await writer.finish(.init(number: 20))
            }
            do {
                try await withServer(service, limits: .init(answering: .seconds(limit))) { socket in
                    try await blocking {
                        let replies = try VarlinkClient(path: socket).callMore(Drip.self, .init())
                        var numbers: [Int] = []
                        while let reply = try replies.next() { numbers.append(reply.number) }
                        #expect(numbers == Array(1...20))
                    }
                }
                return
            } catch is VarlinkLimitsInterface.TimedOut where limit < 25 {}
        }
    }

    /// The client has sent more than the server reads during a call.
    @Test func disconnectingCancelsTheFirstOfManyCalls() async throws {
        let (reports, report) = AsyncStream.makeStream(of: String.self)
        try await withServer(Example.service(report: report)) { socket in
            var iterator = reports.makeAsyncIterator()
            var connection: RawConnection? = try await blocking {
                let connection = try RawConnection(path: socket)
                connection.send(String(repeating: Self.sleep, count: 4000))
                return connection
            }
            #expect(await iterator.next() == "begun")
            withExtendedLifetime(connection) {}
            connection = nil
            #expect(await iterator.next() == "cancelled")
        }
        report.finish()
        #expect(await reports.first { _ in true } == nil)
    }

    /// Clients disconnect while replies are written. No timer may outlive its connection.
    @Test func disconnectingDuringRepliesStopsTimers() async throws {
        let short = Duration.milliseconds(30)
        let limits = VarlinkServer.Limits(idle: short, receiving: short, answering: short, reading: short)
        try await withServer(limits: limits) { socket in
            try await blocking {
                let call = #"{"method":"org.example.test.Count","more":true,"parameters":{"to":50}}"# + "\0"
                for number in 0..<1000 {
                    let client = try RawConnection(path: socket)
                    client.send(call)
                    if number % 2 == 0 { _ = try client.receive() }
                }
                // Takes longer than any remaining timer.
                let idle = try RawConnection(path: socket)
                #expect(try idle.receive() == nil)
                try expectAnswer(socket)
            }
        }
    }

    /// All kinds of hostile clients at once, repeatedly, and one well-behaved client.
    @Test func wellBehavedClientIsAnsweredAmongHostileClients() async throws {
        // Timeouts must not be what frees resources: with these, the well-behaved client would time out first.
        let limits = VarlinkServer.Limits(messageBytes: 1 << 20, receiving: .seconds(3600), reading: .seconds(3600))
        try await withServer(limits: limits) { socket in
            try await blocking {
                var crowd: [RawConnection] = []
                let call =
                    #"{"method":"org.example.test.Echo","parameters":{"text":"0123456789","times":100000}}"# + "\0"
                let endless = [UInt8](repeating: 0x22, count: 64 << 10)
                for _ in 0..<10 {
                    crowd.append(try RawConnection(path: socket))
                    let slow = try RawConnection(path: socket)
                    slow.send("{")
                    let deaf = try RawConnection(path: socket)
                    deaf.send(String(repeating: call, count: 50))
                    let nested = try RawConnection(path: socket)
                    nested.send(String(repeating: "[", count: 200_000) + "\0")
                    let subscriber = try RawConnection(path: socket)
                    subscriber.send(#"{"method":"org.example.test.Ticks","more":true}"# + "\0")
                    crowd += [slow, deaf, nested, subscriber]
                }
                let line = try RawConnection(path: socket)
                let client = try VarlinkClient(path: socket)
                for _ in 0..<200 {
                    line.send(endless)
                    #expect(try client.call(Example.Echo.self, .init(text: "a")).text == "a")
                }
                withExtendedLifetime(crowd) {}
            }
        }
    }
}

@Suite struct AdministratorsTests {
    private func peer(_ user: UInt32, _ group: UInt32, _ groups: [UInt32] = []) -> PeerCredentials {
        PeerCredentials(pid: 1, uid: user, gid: group, groups: groups)
    }

    @Test func administratorsAreRootServiceUserAndGroup() {
        let administrators = Administrators(user: 100, userName: "svc", group: 7, groupName: "adm")
        #expect(administrators.includes(peer(0, 0)))
        #expect(administrators.includes(peer(100, 1)))
        #expect(administrators.includes(peer(5, 7)))
        #expect(administrators.includes(peer(5, 1, [3, 7])))
        #expect(!administrators.includes(peer(5, 1, [3])))
        #expect(!administrators.includes(peer(5, 0, [0])))
        #expect(administrators.description == "root or the user svc or a member of the group adm")
    }

    @Test func withoutGroupOnlyRootAndServiceUserAreAdministrators() {
        let administrators = Administrators(user: 100, userName: "svc")
        #expect(!administrators.includes(peer(5, 7, [7, 100])))
        #expect(throws: VarlinkListenError.groupNotFound(group: "no such group")) {
            try Administrators(group: "no such group")
        }
    }
}
