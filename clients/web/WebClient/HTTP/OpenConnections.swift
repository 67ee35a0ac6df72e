import Glibc
import NIOCore
import Synchronization

/// Tracks open connections: enforces the limits and stops connections at shutdown.
///
/// At the limit, a new connection replaces the one that has waited for its client the longest. A connection whose
/// request has arrived completely and has not been answered is never closed in favor of another.
final class OpenConnections: Sendable {
    private struct Connection {
        let channel: any Channel
        /// The peer whose limit the connection counts against; nil for local peers, which all have the same address.
        let peer: Peer?
        /// When the client last completed a connection, a request head or a part of a body.
        var lastActive: NIODeadline
        /// Requests received completely, and responses sent completely. The response that rejects a request may precede
        /// the end of the request.
        var requests = 0
        var answers = 0
        /// Responses that were written but not yet read by the client.
        var untaken = 0

        /// A written response is protected for one second; after that the connection counts as waiting for its client.
        func isWorkedOn(at now: NIODeadline) -> Bool {
            requests > answers || untaken > 0 && now - lastActive < .seconds(1)
        }
    }

    private struct State {
        var open: [ObjectIdentifier: Connection] = [:]
        var peers: [Peer: Int] = [:]
        /// Number of connections that were closed to make room for others and have not ended yet.
        var closing = 0
        var stopping = false

        mutating func remove(_ id: ObjectIdentifier) -> Connection? {
            guard let connection = open.removeValue(forKey: id) else { return nil }
            if let peer = connection.peer {
                peers[peer, default: 1] -= 1
                if peers[peer] == 0 { peers[peer] = nil }
            }
            return connection
        }

        /// Returns the connection that has waited for its client the longest, of all connections or of one peer's.
        func longestWaiting(of peer: Peer?) -> ObjectIdentifier? {
            let now = NIODeadline.now()
            return open.filter { !$1.isWorkedOn(at: now) && (peer == nil || $1.peer == peer) }
                .min { $0.value.lastActive < $1.value.lastActive }?.key
        }
    }

    enum AdmissionDecision: Equatable {
        case admitted
        /// The limit is reached, or the server is stopping.
        case full
        /// The limit of the peer's address is reached.
        case shareUsedUp
    }

    private let limit: Int
    private let limitPerPeer: Int
    private let state = Mutex(State())

    private let peer: @Sendable (SocketAddress?) -> Peer?

    /// - Parameter peer: returns the peer whose limit a connection counts against; nil if there is none
    init(limit: Int, perPeer: Int, peer: @escaping @Sendable (SocketAddress?) -> Peer?) {
        self.limit = limit
        limitPerPeer = perPeer
        self.peer = peer
    }

    /// Admits a connection, closing another one if necessary and possible.
    func add(_ channel: any Channel) -> AdmissionDecision {
        let id = ObjectIdentifier(channel)
        let peer = self.peer(channel.remoteAddress)
        let (admission, displaced) = state.withLock { state -> (AdmissionDecision, (any Channel)?) in
            // Closed connections keep their descriptors for a moment.
            guard !state.stopping, state.closing < limit else { return (.full, nil) }
            let isShareUsedUp = peer.map { state.peers[$0, default: 0] >= limitPerPeer } ?? false
            var displaced: (any Channel)?
            if isShareUsedUp || state.open.count >= limit {
                guard let waiting = state.longestWaiting(of: isShareUsedUp ? peer : nil) else {
                    return (isShareUsedUp ? .shareUsedUp : .full, nil)
                }
                displaced = state.remove(waiting)?.channel
                state.closing += 1
            }
            state.open[id] = Connection(channel: channel, peer: peer, lastActive: .now())
            if let peer { state.peers[peer, default: 0] += 1 }
            return (.admitted, displaced)
        }
        if let displaced {
            displaced.closeFuture.whenComplete { _ in self.state.withLock { $0.closing -= 1 } }
            displaced.close(promise: nil)
        }
        if admission == .admitted {
            channel.closeFuture.whenComplete { _ in self.state.withLock { _ = $0.remove(id) } }
        }
        return admission
    }

    /// Records a request head or part of a body. Returns false if the connection was closed in favor of another.
    func received(on channel: any Channel) -> Bool { update(channel) { _ in } }

    /// Records the end of a request. Returns false if the connection was closed in favor of another; the request must
    /// not start.
    func receivedEnd(on channel: any Channel) -> Bool { update(channel) { $0.requests += 1 } }

    /// Records that a response was written completely.
    func answered(on channel: any Channel) {
        _ = update(channel) {
            $0.answers += 1
            $0.untaken += 1
        }
    }

    /// Records that the client has read a response completely.
    func taken(on channel: any Channel) { _ = update(channel) { $0.untaken -= 1 } }

    private func update(_ channel: any Channel, _ change: (inout Connection) -> Void) -> Bool {
        let id = ObjectIdentifier(channel)
        return state.withLock { state in
            guard state.open[id] != nil else { return false }
            change(&state.open[id]!)
            state.open[id]!.lastActive = .now()
            return true
        }
    }

    /// Lets each connection finish its current request, closes the remaining ones after `grace`, and returns when all
    /// are closed.
    func stop(grace: Duration, on eventLoop: any EventLoop) async {
        let open = state.withLock { state in
            state.stopping = true
            return state.open.values.map(\.channel)
        }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let deadline = eventLoop.scheduleTask(in: TimeAmount(grace)) {
            for channel in open { channel.close(promise: nil) }
        }
        for channel in open { try? await channel.closeFuture.get() }
        deadline.cancel()
    }
}

/// The peer whose limit a connection counts against: an IPv4 address, or the /64 network of an IPv6 address.
package struct Peer: Hashable, Sendable {
    private let prefix: [UInt8]

    /// Returns nil for the loopback interface and Unix sockets, where the address does not distinguish clients.
    package init?(_ address: SocketAddress?) {
        guard let text = address?.ipAddress else { return nil }
        if let bytes = Self.bytes(of: text, AF_INET, count: 4) {
            guard bytes[0] != 127 else { return nil }
            prefix = bytes
        } else if let bytes = Self.bytes(of: text, AF_INET6, count: 16) {
            // An IPv4-mapped IPv6 address.
            if bytes[..<10].allSatisfy({ $0 == 0 }) && bytes[10] == 0xff && bytes[11] == 0xff {
                guard bytes[12] != 127 else { return nil }
                prefix = Array(bytes[12...])
            } else {
                guard bytes != [UInt8](repeating: 0, count: 15) + [1] else { return nil }
                prefix = Array(bytes[..<8])
            }
        } else {
            return nil
        }
    }

    private static func bytes(of text: String, _ family: Int32, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, text, &bytes) == 1 ? bytes : nil
    }
}
