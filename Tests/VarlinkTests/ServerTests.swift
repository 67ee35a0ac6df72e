import Glibc
import TestSupport
import Testing
import Varlink
import VarlinkServer

@Suite(.timeLimit(.minutes(15))) struct ServerTests {
    /// The supplementary groups of this process.
    private func processGroups() throws -> [gid_t] {
        var groups = [gid_t](repeating: 0, count: Int(max(0, getgroups(0, nil))))
        let count = getgroups(Int32(groups.count), &groups)
        try #require(count >= 0)
        return Array(groups.prefix(Int(count)))
    }

    @Test func reportsServiceInfo() async throws {
        try await withServer { socket in
            try await blocking {
                let client = try VarlinkClient(path: socket)
                let info = try client.call(VarlinkServiceInterface.GetInfo.self, .init())
                #expect(
                    info
                        == .init(
                            vendor: "Example", product: "Test", version: "1", url: "https://example.org",
                            interfaces: ["org.varlink.service", "org.example.Limits", "org.example.test"]))
                let described = try client.call(
                    VarlinkServiceInterface.GetInterfaceDescription.self, .init(interface: Example.name))
                #expect(described.description == Example.description)
                #expect(throws: VarlinkServiceError.interfaceNotFound(interface: "org.example.other")) {
                    try client.call(
                        VarlinkServiceInterface.GetInterfaceDescription.self, .init(interface: "org.example.other"))
                }
            }
        }
    }

    @Test func errorsAreTypedAndKeepTheConnectionOpen() async throws {
        try await withServer { socket in
            try await blocking {
                let client = try VarlinkClient(path: socket, errors: [Example.Refused.self])
                #expect(throws: Example.Refused(text: "no")) {
                    try client.call(Example.Fail.self, .init(how: "refused"))
                }
                #expect(throws: VarlinkServiceError.permissionDenied()) {
                    try client.call(Example.Fail.self, .init(how: "denied"))
                }
                #expect(
                    throws: VarlinkUnknownError(
                        name: "org.example.test.InternalError", parameters: ["message": "Broken()"])
                ) {
                    try client.call(Example.Fail.self, .init(how: "broken"))
                }
                #expect(throws: VarlinkServiceError.methodNotImplemented(method: Example.Later.name)) {
                    try client.call(Example.Later.self, .init())
                }
                #expect(throws: VarlinkServiceError.expectedMore) {
                    try client.call(Example.Ticks.self, .init())
                }
                #expect(try client.call(Example.Echo.self, .init(text: "still here")).text == "still here")
            }
        }
    }

    @Test(arguments: [
        (#"{"method":"org.example.test.None"}"#, "MethodNotFound", #"{"method":"org.example.test.None"}"#),
        (#"{"method":"org.example.none.Echo"}"#, "InterfaceNotFound", #"{"interface":"org.example.none"}"#),
        (#"{"method":"Echo"}"#, "InterfaceNotFound", #"{"interface":""}"#),
        (#"{"method":"org.example.test.Echo"}"#, "InvalidParameter", #"{"parameter":"text"}"#),
        (
            #"{"method":"org.example.test.Echo","parameters":{"text":"","times":"2"}}"#, "InvalidParameter",
            #"{"parameter":"times"}"#
        ),
        (
            #"{"method":"org.example.test.Echo","parameters":{"text":"","time":2}}"#, "InvalidParameter",
            #"{"parameter":"time"}"#
        ),
        (
            #"{"method":"org.example.test.Echo","parameters":[]}"#, "InvalidParameter",
            #"{"parameter":"parameters"}"#
        ),
    ])
    func invalidCallsReceiveErrors(call: String, error: String, parameters: String) async throws {
        try await withServer { socket in
            try await blocking {
                let connection = try RawConnection(path: socket)
                connection.send(call + "\0")
                #expect(
                    try connection.receive()
                        == #"{"error":"org.varlink.service.\#(error)","parameters":\#(parameters)}"#)
            }
        }
    }

    @Test(arguments: [
        ("", 1), ("hello", 1), ("{", 1), ("[]", 1), (#"{"method":1}"#, 1), (#"{"more":true}"#, 1), ("\u{1}\u{2}", 1),
        ("[", 100_000),
    ])
    func malformedMessagesCloseOnlyTheirConnection(junk: String, times: Int) async throws {
        try await withServer { socket in
            try await blocking {
                let good = try VarlinkClient(path: socket)
                let bad = try RawConnection(path: socket)
                bad.send(String(repeating: junk, count: times) + "\0")
                // Deep nesting is rejected before the message is decoded.
                let reply = try bad.receive()
                #expect(times == 1 ? reply == nil : reply?.contains("InvalidParameter") == true)
                #expect(try good.call(Example.Echo.self, .init(text: "a")).text == "a")
            }
        }
    }

    @Test func rejectsInvalidUTF8() async throws {
        try await withServer { socket in
            try await blocking {
                let connection = try RawConnection(path: socket)
                let call = Array(#"{"method":"org.example.test.Echo","parameters":{"text":""#.utf8) + [0xff, 0xfe]
                connection.send(call + Array(#""}}"#.utf8) + [0])
                let reply = try connection.receive()
                #expect(reply == nil || reply!.contains("InvalidParameter"))
            }
        }
    }

    @Test func repliesAreInOrderOfCalls() async throws {
        try await withServer { socket in
            try await blocking {
                let connection = try RawConnection(path: socket)
                var calls = ""
                for number in 0..<200 {
                    calls += #"{"method":"org.example.test.Echo","parameters":{"text":"\#(number)"}}"# + "\0"
                    if number == 100 {
                        calls += #"{"method":"org.example.test.Count","more":true,"parameters":{"to":3}}"# + "\0"
                    }
                }
                connection.send(calls)
                for number in 0..<200 {
                    #expect(try connection.receive() == #"{"parameters":{"text":"\#(number)"}}"#)
                    if number == 100 {
                        #expect(try connection.receive() == #"{"continues":true,"parameters":{"number":1}}"#)
                        #expect(try connection.receive() == #"{"continues":true,"parameters":{"number":2}}"#)
                        #expect(try connection.receive() == #"{"parameters":{"number":3}}"#)
                    }
                }
            }
        }
    }

    @Test func acceptsCallsByteByByte() async throws {
        try await withServer { socket in
            try await blocking {
                let connection = try RawConnection(path: socket)
                for byte in Array(#"{"method":"org.example.test.Echo","parameters":{"text":"ü"}}"#.utf8) + [0] {
                    connection.send([byte])
                }
                #expect(try connection.receive() == #"{"parameters":{"text":"ü"}}"#)
            }
        }
    }

    @Test func streamsRepliesOnlyWithMore() async throws {
        try await withServer { socket in
            try await blocking {
                let client = try VarlinkClient(path: socket)
                let replies = try client.callMore(Example.Count.self, .init(to: 1000))
                #expect(throws: VarlinkClientError.busy) { try client.call(Example.Echo.self, .init(text: "")) }
                var numbers: [Int] = []
                while let reply = try replies.next() { numbers.append(reply.number) }
                #expect(numbers == Array(1...1000))
                #expect(try replies.next() == nil)
                #expect(try client.call(Example.Count.self, .init(to: 1000)).number == 1000)
            }
        }
    }

    @Test func onewayCallsGetNoReply() async throws {
        try await withServer { socket in
            try await blocking {
                let client = try VarlinkClient(path: socket)
                try client.callOneway(Example.Echo.self, .init(text: "unheard"))
                try client.callOneway(Example.Fail.self, .init(how: "broken"))
                try client.callOneway(Example.Later.self, .init())
                #expect(try client.call(Example.Echo.self, .init(text: "heard")).text == "heard")
            }
        }
    }

    @Test func deliversRepliesLargerThanSocketBuffers() async throws {
        try await withServer { socket in
            try await blocking {
                let client = try VarlinkClient(path: socket)
                let text = try client.call(Example.Echo.self, .init(text: "0123456789", times: 1 << 20)).text
                #expect(text.utf8.count == 10 << 20)
            }
        }
    }

    @Test(arguments: [Example.Sleep.name, Example.Ticks.name])
    func disconnectingCancelsTheCall(method: String) async throws {
        let (reports, report) = AsyncStream.makeStream(of: String.self)
        try await withServer(Example.service(report: report)) { socket in
            var iterator = reports.makeAsyncIterator()
            var connection: RawConnection? = try await blocking {
                let connection = try RawConnection(path: socket)
                // The second call must not start.
                let call = #"{"method":"\#(method)","more":true}"# + "\0"
                connection.send(call + call)
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

    @Test func halfClosedClientsReceiveAllReplies() async throws {
        try await withServer { socket in
            try await blocking {
                let connection = try RawConnection(path: socket)
                let call = #"{"method":"org.example.test.Echo","parameters":{"text":"a"}}"# + "\0"
                connection.send(call + call)
                connection.shutdownWriting()
                #expect(try connection.receive() == #"{"parameters":{"text":"a"}}"#)
                #expect(try connection.receive() == #"{"parameters":{"text":"a"}}"#)
                #expect(try connection.receive() == nil)
            }
        }
    }

    @Test func oversizedCallsCloseTheConnection() async throws {
        let limit = 1 << 16
        try await withServer(limits: .init(messageBytes: limit)) { socket in
            try await blocking {
                let head = #"{"method":"org.example.test.Echo","parameters":{"text":""#
                let tail = #""}}"#
                let fitting = head + String(repeating: "x", count: limit - head.count - tail.count) + tail
                let connection = try RawConnection(path: socket)
                connection.send(fitting + "\0")
                #expect(try connection.receive() != nil)
                // More than the socket buffers hold, so the client is cut off while it sends.
                connection.send([UInt8](repeating: 0x20, count: limit + 1))
                #expect(
                    try connection.receive()
                        == #"{"error":"org.example.Limits.RequestTooLarge","parameters":{"limit":65536}}"#)
                #expect(try connection.receive() == nil)
                #expect(!connection.send([UInt8](repeating: 0x20, count: 1 << 24)))
            }
        }
    }

    @Test func handlersSeeThePeersCredentials() async throws {
        enum Who: VarlinkMethod {
            static let name = "org.example.test.Who"
            typealias Parameters = VarlinkNothing
            struct Reply: Codable, Sendable, Equatable {
                var pid: Int32
                var uid: UInt32
                var gid: UInt32
                var groups: [UInt32]
            }
        }
        var service = Example.service()
        service.handle(Who.self) { _, context in
            .init(pid: context.peer.pid, uid: context.peer.uid, gid: context.peer.gid, groups: context.peer.groups)
        }
        let own = try processGroups()
        try await withServer(service) { socket in
            try await blocking {
                let who = try VarlinkClient(path: socket).call(Who.self, .init())
                #expect(who == .init(pid: getpid(), uid: getuid(), gid: getgid(), groups: own))
            }
        }
    }

    @Test func stoppingWaitsForCallsAndCancelsSubscriptions() async throws {
        enum Slow: VarlinkMethod {
            static let name = "org.example.test.Slow"
            typealias Parameters = VarlinkNothing
            typealias Reply = VarlinkNothing
        }
        let (reports, report) = AsyncStream.makeStream(of: String.self)
        let (gate, opener) = AsyncStream.makeStream(of: Void.self)
        var service = Example.service(report: report)
        service.handle(Slow.self) { _, _ in
            report.yield("begun")
            for await _ in gate { break }
            return VarlinkNothing()
        }
        let clients = try await withServer(service, limits: .init(grace: .seconds(50))) { socket in
            var iterator = reports.makeAsyncIterator()
            let clients = try await blocking {
                let subscriber = try RawConnection(path: socket)
                subscriber.send(#"{"method":"org.example.test.Ticks","more":true}"# + "\0")
                let caller = try RawConnection(path: socket)
                caller.send(#"{"method":"org.example.test.Slow"}"# + "\0")
                return (subscriber: subscriber, caller: caller)
            }
            #expect(await iterator.next() == "begun")
            #expect(await iterator.next() == "begun")
            // The call ends only after the subscription was cancelled, and therefore after the server was stopped.
            Task {
                for await report in reports where report == "cancelled" { break }
                opener.yield()
            }
            return clients
        }
        try await blocking { () throws in
            #expect(try clients.caller.receive() == #"{"parameters":{}}"#)
            #expect(try clients.caller.receive() == nil)
            #expect(try clients.subscriber.receive() == #"{"continues":true,"parameters":{"number":1}}"#)
            #expect(try clients.subscriber.receive() == nil)
        }
    }

    @Test func stoppingCancelsCallsAfterGracePeriod() async throws {
        let (reports, report) = AsyncStream.makeStream(of: String.self)
        let connection = try await withServer(
            Example.service(report: report), limits: .init(grace: .milliseconds(50))
        ) { socket in
            var iterator = reports.makeAsyncIterator()
            let connection = try await blocking {
                let connection = try RawConnection(path: socket)
                connection.send(#"{"method":"org.example.test.Sleep"}"# + "\0")
                return connection
            }
            #expect(await iterator.next() == "begun")
            return connection
        }
        #expect(await reports.first { _ in true } == "cancelled")
        #expect(try await blocking { try connection.receive() } == nil)
    }
}
