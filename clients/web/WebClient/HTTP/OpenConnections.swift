import NIOCore
import Synchronization

/// The connections that are open, so that they can be counted and told to stop.
final class OpenConnections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var stopping = false
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) {
        self.limit = limit
    }

    /// False where the connection is one too many, or comes too late.
    func add(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let added = state.withLock { state in
            guard !state.stopping, state.open.count < limit else { return false }
            state.open[id] = channel
            return true
        }
        if added {
            channel.closeFuture.whenComplete { _ in
                self.state.withLock { _ = $0.open.removeValue(forKey: id) }
            }
        }
        return added
    }

    /// Lets every connection end its request under way, closes what is left after `grace`, and returns when all are
    /// closed.
    func stop(grace: Duration, on eventLoop: any EventLoop) async {
        let open = state.withLock { state in
            state.stopping = true
            return Array(state.open.values)
        }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let deadline = eventLoop.scheduleTask(in: TimeAmount(grace)) {
            for channel in open { channel.close(promise: nil) }
        }
        for channel in open { try? await channel.closeFuture.get() }
        deadline.cancel()
    }
}
