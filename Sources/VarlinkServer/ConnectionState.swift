import Varlink

/// What a connection does next. One call at a time is under way; others wait as bytes, so that replies come in the
/// order of the calls and a client that sends faster than it is answered is slowed down by its own socket.
///
/// A value without I/O: what happened goes in, what to do comes out.
package struct ConnectionState {
    package enum Action: Equatable {
        /// Nothing before the next event.
        case wait
        /// Answer this call, then say `callEnded`.
        case start([UInt8])
        /// Close the connection; with a reason where the client is to blame.
        case close(MessageFramer.MessageTooLarge?)
    }

    /// What the connection waits for.
    package enum Phase: Equatable {
        /// The first byte of a call.
        case idle
        /// The rest of a call.
        case receiving
        /// The replies to a call.
        case answering
    }

    /// Bytes of later calls that are taken while one is under way. The rest waits in the client's socket.
    private static let readAhead = 64 << 10

    private var framer: MessageFramer
    private var isCallUnderWay = false
    private var inputEnded = false
    private var stopping = false

    /// - Parameter messageLimit: bytes a call may have.
    package init(messageLimit: Int) {
        framer = MessageFramer(limit: messageLimit)
    }

    /// Whether more bytes are wanted now.
    package var wantsBytes: Bool {
        let most = isCallUnderWay ? min(framer.limit, Self.readAhead) : framer.limit
        return !inputEnded && !stopping && framer.bufferedBytes <= most
    }

    /// Bytes that have come and belong to no call under way.
    package var bufferedBytes: Int { framer.bufferedBytes }

    package var phase: Phase {
        if isCallUnderWay { return .answering }
        return framer.bufferedBytes > 0 ? .receiving : .idle
    }

    package mutating func received(_ bytes: some Sequence<UInt8>) -> Action {
        guard !stopping else { return .wait }
        framer.append(bytes)
        return isCallUnderWay ? .wait : advance()
    }

    /// - Parameter replied: false where the call has no last reply: then no later one may be answered either.
    package mutating func callEnded(replied: Bool) -> Action {
        precondition(isCallUnderWay)
        isCallUnderWay = false
        return replied ? advance() : .close(nil)
    }

    /// The client sends nothing more, but may still read.
    package mutating func inputClosed() -> Action {
        inputEnded = true
        return isCallUnderWay ? .wait : advance()
    }

    /// Frees what has arrived, of a connection that is no longer heard.
    package mutating func discard() {
        stopping = true
        framer = MessageFramer(limit: framer.limit)
    }

    /// The server stops: the call under way is the last.
    package mutating func stop() -> Action {
        stopping = true
        return isCallUnderWay ? .wait : .close(nil)
    }

    private mutating func advance() -> Action {
        if stopping { return .close(nil) }
        do {
            if let message = try framer.next() {
                isCallUnderWay = true
                return .start(message)
            }
        } catch {
            return .close(error)
        }
        return inputEnded ? .close(nil) : .wait
    }
}
