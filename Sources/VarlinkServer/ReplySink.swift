import FoundationEssentials
import Synchronization
import Varlink

/// Sends the replies to one call according to the protocol: none after the last one, several only to a call with `more`,
/// and none at all to a call with `oneway`.
final class ReplySink: Sendable {
    private struct State {
        var finished = false
        var broken = false
    }

    private let more: Bool
    private let oneway: Bool
    private let write: @Sendable (Data) async throws -> Void
    private let state = Mutex(State())

    /// - Parameter write: sends one message, without its NUL; throws if the connection is closed.
    init(more: Bool, oneway: Bool, write: @escaping @Sendable (Data) async throws -> Void) {
        self.more = more
        self.oneway = oneway
        self.write = write
    }

    /// The last reply has been sent, or none is expected.
    var isFinished: Bool { state.withLock { $0.finished || oneway } }
    /// A reply could not be sent.
    var isBroken: Bool { state.withLock { $0.broken } }

    func reply(_ message: Data, last: Bool) async throws {
        guard last || more || oneway else { throw VarlinkServiceError.expectedMore }
        state.withLock { state in
            precondition(!state.finished, "a reply after the last one")
            state.finished = last
        }
        guard !oneway else { return }
        do {
            try await write(message)
        } catch {
            state.withLock { $0.broken = true }
            throw error
        }
    }
}
