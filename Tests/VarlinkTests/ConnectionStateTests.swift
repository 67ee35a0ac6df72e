import Testing
import Varlink
import VarlinkServer

@Suite struct ConnectionStateTests {
    private let a = Array("a".utf8)
    private let b = Array("b".utf8)

    @Test func callsWaitForTheCurrentOne() {
        var state = ConnectionState(messageLimit: 10)
        #expect(state.received(a + [0] + b + [0]) == .start(a))
        #expect(state.received(Array("c".utf8)) == .wait)
        #expect(state.callEnded(replied: true) == .start(b))
        #expect(state.callEnded(replied: true) == .wait)
        #expect(state.received([0]) == .start(Array("c".utf8)))
    }

    @Test func stopsReadingFromFastClients() {
        var state = ConnectionState(messageLimit: 4)
        #expect(state.received(a + [0]) == .start(a))
        #expect(state.wantsBytes)
        #expect(state.received([1, 0, 1, 0, 1, 0]) == .wait)
        #expect(!state.wantsBytes)
        #expect(state.callEnded(replied: true) == .start([1]))
        #expect(state.wantsBytes)
    }

    @Test func halfClosedClientsReceiveTheirReplies() {
        var state = ConnectionState(messageLimit: 10)
        #expect(state.received(a + [0] + b + [0]) == .start(a))
        #expect(state.inputClosed() == .wait)
        #expect(!state.wantsBytes)
        #expect(state.callEnded(replied: true) == .start(b))
        #expect(state.callEnded(replied: true) == .close(nil))
    }

    @Test func discardsIncompleteLastMessage() {
        var state = ConnectionState(messageLimit: 10)
        #expect(state.received(a) == .wait)
        #expect(state.inputClosed() == .close(nil))
    }

    @Test func callWithoutReplyClosesConnection() {
        var state = ConnectionState(messageLimit: 10)
        #expect(state.received(a + [0] + b + [0]) == .start(a))
        #expect(state.callEnded(replied: false) == .close(nil))
    }

    @Test func stoppingFinishesTheCurrentCall() {
        var state = ConnectionState(messageLimit: 10)
        #expect(state.received(a + [0] + b + [0]) == .start(a))
        #expect(state.stop() == .wait)
        #expect(!state.wantsBytes)
        #expect(state.callEnded(replied: true) == .close(nil))

        var idle = ConnectionState(messageLimit: 10)
        #expect(idle.stop() == .close(nil))
    }

    @Test func oversizedMessageAfterCallClosesConnection() {
        var state = ConnectionState(messageLimit: 4)
        #expect(state.received(a + [0] + [1, 1, 1, 1, 1]) == .start(a))
        guard case .close(.some(let reason)) = state.callEnded(replied: true) else {
            Issue.record("the connection did not close")
            return
        }
        #expect(reason.limit == 4)
    }
}
