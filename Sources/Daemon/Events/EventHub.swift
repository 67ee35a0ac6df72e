import Synchronization

/// Gives every event to everyone who watches.
public final class EventHub: Sendable {
    private struct State {
        var watchers: [Int: AsyncStream<ServiceEvent>.Continuation] = [:]
        var next = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    public init() {}

    /// Events that wait for one who watches. Each has a few kilobytes at most (`ServiceEvent`), and all who watch share them:
    /// together they are the newest ones, 24 MiB where each is as long as one can be.
    private static let most = 4096

    /// The events from now on. Who does not keep up loses the oldest, not the service its memory.
    public func watch() -> AsyncStream<ServiceEvent> {
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

    /// How often somebody began to watch.
    var watches: Int { state.withLock { $0.next } }

    func send(_ event: ServiceEvent) {
        let watchers = state.withLock { Array($0.watchers.values) }
        for watcher in watchers { watcher.yield(event) }
    }

    /// No more events: every watcher's stream ends.
    func finish() {
        let watchers = state.withLock { state in
            state.isFinished = true
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.finish() }
    }
}
