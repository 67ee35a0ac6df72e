import Varlink

/// The state machine of a connection: events go in, and the action to perform is returned. It performs no I/O.
///
/// One call at a time is processed; later ones remain buffered as bytes. Replies are therefore in the order of the calls,
/// and a client that sends calls faster than they are processed is blocked by its own socket.
package struct ConnectionState {
    package enum Action: Equatable {
        /// Wait for the next event.
        case wait
        /// Process this call, then report `callEnded`.
        case start([UInt8])
        /// Close the connection, because of the client if there is an error.
        case close(MessageFramer.MessageTooLarge?)
    }

    /// What the connection is waiting for.
    package enum Phase: Equatable {
        /// The first byte of a call.
        case idle
        /// The rest of a call.
        case receiving
        /// The replies to a call.
        case answering
    }

    /// The number of bytes of later calls that are read during a call. The rest remains in the socket.
    private static let readAhead = 64 << 10

    private var framer: MessageFramer
    private var isCallInProgress = false
    private var inputEnded = false
    private var stopping = false

    /// - Parameter messageLimit: the maximum size of a call in bytes.
    package init(messageLimit: Int) {
        framer = MessageFramer(limit: messageLimit)
    }

    /// Whether more bytes should be read now.
    package var wantsBytes: Bool {
        let most = isCallInProgress ? min(framer.limit, Self.readAhead) : framer.limit
        return !inputEnded && !stopping && framer.bufferedBytes <= most
    }

    /// The number of bytes received that do not belong to the current call.
    package var bufferedBytes: Int { framer.bufferedBytes }

    package var phase: Phase {
        if isCallInProgress { return .answering }
        return framer.bufferedBytes > 0 ? .receiving : .idle
    }

    package mutating func received(_ bytes: some Sequence<UInt8>) -> Action {
        guard !stopping else { return .wait }
        framer.append(bytes)
        return isCallInProgress ? .wait : advance()
    }

    /// - Parameter replied: false if the last reply was not sent. Later calls must not be answered then.
    package mutating func callEnded(replied: Bool) -> Action {
        precondition(isCallInProgress)
        isCallInProgress = false
        return replied ? advance() : .close(nil)
    }

    /// The client sends no more bytes, but may still read.
    package mutating func inputClosed() -> Action {
        inputEnded = true
        return isCallInProgress ? .wait : advance()
    }

    /// Discards received bytes; further ones are ignored.
    package mutating func discard() {
        stopping = true
        framer = MessageFramer(limit: framer.limit)
    }

    /// The server is stopping: the current call is the last.
    package mutating func stop() -> Action {
        stopping = true
        return isCallInProgress ? .wait : .close(nil)
    }

    private mutating func advance() -> Action {
        if stopping { return .close(nil) }
        do {
            if let message = try framer.next() {
                isCallInProgress = true
                return .start(message)
            }
        } catch {
            return .close(error)
        }
        return inputEnded ? .close(nil) : .wait
    }
}
