import FoundationEssentials
import Synchronization
import Varlink

/// Where the replies to one call go. Keeps the protocol's rules: nothing after the last reply, several only to a
/// caller that asked for `more`, none at all to one that said `oneway`.
final class ReplySink: Sendable {
    private struct State {
        var finished = false
        var broken = false
    }

    private let more: Bool
    private let oneway: Bool
    private let write: @Sendable (Data) async throws -> Void
    private let state = Mutex(State())

    /// - Parameter write: gives one message, without its NUL, to the connection; throws where that has closed.
    init(more: Bool, oneway: Bool, write: @escaping @Sendable (Data) async throws -> Void) {
        self.more = more
        self.oneway = oneway
        self.write = write
    }

    /// The last reply has been given, or none is wanted.
    var isFinished: Bool { state.withLock { $0.finished || oneway } }
    /// A reply could not be delivered.
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
