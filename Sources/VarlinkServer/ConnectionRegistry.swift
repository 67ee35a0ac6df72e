import Fairness
import NIOCore
import Synchronization
import Varlink

/// The open connections, which are counted and stopped together.
final class ConnectionRegistry: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var places: FairShare<UInt32>
        var stopping = false
    }

    enum AdmissionDecision {
        case admitted
        case refused(VarlinkLimitsInterface.TooManyConnections)
        /// The server accepts no more connections.
        case stopping
    }

    private let state: Mutex<State>

    init(limit: Int, limitOfUser: Int) {
        state = Mutex(State(places: FairShare(limit: limit, limitOfUser: limitOfUser)))
    }

    func add(_ channel: any Channel, user: UInt32) -> AdmissionDecision {
        let id = ObjectIdentifier(channel)
        let admission: AdmissionDecision = state.withLock { state in
            if state.stopping { return .stopping }
            switch state.places.take(for: user) {
            case .limit: return .refused(.init(limit: state.places.limit, perUser: false))
            case .limitOfUser: return .refused(.init(limit: state.places.limitOfUser, perUser: true))
            case nil: break
            }
            state.open[id] = channel
            return .admitted
        }
        if case .admitted = admission {
            channel.closeFuture.whenComplete { _ in self.remove(id, user) }
        }
        return admission
    }

    private func remove(_ id: ObjectIdentifier, _ user: UInt32) {
        state.withLock { state in
            state.open[id] = nil
            state.places.give(for: user)
        }
    }

    /// Lets every connection finish its current call, closes the remaining ones after `grace`, and returns when all are
    /// closed.
    func stop(grace: Duration, on eventLoop: any EventLoop) async {
        let open = state.withLock { state in
            state.stopping = true
            return Array(state.open.values)
        }
        for channel in open {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        let deadline = eventLoop.scheduleTask(in: TimeAmount(grace)) {
            for channel in open { channel.close(promise: nil) }
        }
        for channel in open { try? await channel.closeFuture.get() }
        deadline.cancel()
    }
}
