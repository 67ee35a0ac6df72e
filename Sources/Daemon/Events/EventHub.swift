import Events
import Interface
import Synchronization
import VarlinkServer

/// An event in the form in which it is sent to watchers.
public struct WatchedEvent: Sendable {
    package let kind: EventKind
    let run: String?
    /// Encoded once for all watchers.
    let reply: EncodedReply<ManagerInterface.Watch.Reply>

    init(_ event: ServiceEvent) throws {
        kind = event.kind
        run = event.run
        // `serviceStopping` is the last event.
        reply = try EncodedReply(.init(event: event.asInterface), continues: event.kind != .serviceStopping)
    }
}

/// Distributes every event to all watchers.
public final class EventHub: Sendable {
    private struct State {
        var watchers: [Int: AsyncStream<WatchedEvent>.Continuation] = [:]
        var next = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    public init() {}

    /// Maximum number of events buffered for one watcher. An event takes a few kilobytes at most (`ServiceEvent`) and
    /// its bytes are shared by all watchers: together the buffers hold at most 24 MiB.
    private static let most = 4096

    /// Returns a stream of the events reported from now on. A watcher that does not keep up loses the oldest of the
    /// buffered events.
    public func watch() -> AsyncStream<WatchedEvent> {
        AsyncStream(bufferingPolicy: .bufferingNewest(Self.most)) { continuation in
            let id = state.withLock { state -> Int? in
                guard !state.isFinished else { return nil }
                defer { state.next += 1 }
                state.watchers[state.next] = continuation
                return state.next
            }
            guard let id else { return continuation.finish() }
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.watchers.removeValue(forKey: id) }
            }
        }
    }

    /// The number of times `watch` was called.
    var watches: Int { state.withLock { $0.next } }

    /// - Throws: if the event cannot be encoded
    func send(_ event: ServiceEvent) throws {
        let watchers = state.withLock { Array($0.watchers.values) }
        guard !watchers.isEmpty else { return }
        let watched = try WatchedEvent(event)
        for watcher in watchers { watcher.yield(watched) }
    }

    /// Ends every watcher's stream.
    func finish() {
        let watchers = state.withLock { state in
            state.isFinished = true
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.finish() }
    }
}
