import Distribution
import Foundation
import Glibc

/// Communication between threads of one process over pairs of sockets, so that tests of several ranks need no MPI.
public final class SocketCommunicator: Communicator, @unchecked Sendable {
    // @unchecked: each rank is used by one thread; sockets may be closed by any.

    public let rank: Int
    public let size: Int
    public let library = "sockets"
    /// The socket to each rank; -1 for this one.
    private let sockets: [Int32]
    /// Bytes sent so far.
    public private(set) var bytesSent = 0

    private init(rank: Int, sockets: [Int32]) {
        self.rank = rank
        self.sockets = sockets
        size = sockets.count
    }

    deinit { for socket in sockets where socket >= 0 { close(socket) } }

    /// Creates communicators that are connected to each other.
    public static func ranks(_ count: Int) -> [SocketCommunicator] {
        var sockets = [[Int32]](repeating: [Int32](repeating: -1, count: count), count: count)
        for first in 0..<count {
            for second in first + 1..<max(count, first + 1) {
                var pair: [Int32] = [-1, -1]
                let status = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
                precondition(status == 0, "socketpair: \(errno)")
                for socket in pair { _ = fcntl(socket, F_SETFL, O_NONBLOCK) }
                (sockets[first][second], sockets[second][first]) = (pair[0], pair[1])
            }
        }
        return sockets.enumerated().map { SocketCommunicator(rank: $0, sockets: $1) }
    }

    public func exchange(_ messages: [Message], silenceSeconds: Double) throws(CommunicationError) {
        // The messages of each peer in each direction, in order, with the number of bytes that are done.
        var sending = [[UnsafeRawBufferPointer]](repeating: [], count: size)
        var receiving = [[UnsafeMutableRawBufferPointer]](repeating: [], count: size)
        for message in messages where message.byteCount > 0 {
            switch message.content {
            case .sent(let bytes): sending[message.peer].append(bytes)
            case .received(let bytes): receiving[message.peer].append(bytes)
            }
        }
        for peer in 0..<size {
            sending[peer].reverse()
            receiving[peer].reverse()
        }
        while true {
            var polled: [pollfd] = []
            var peers: [Int] = []
            for peer in 0..<size where !sending[peer].isEmpty || !receiving[peer].isEmpty {
                let events = (sending[peer].isEmpty ? 0 : POLLOUT) | (receiving[peer].isEmpty ? 0 : POLLIN)
                polled.append(pollfd(fd: sockets[peer], events: Int16(events), revents: 0))
                peers.append(peer)
            }
            guard let first = peers.first else { return }
            let ready = poll(&polled, nfds_t(polled.count), Int32(min(silenceSeconds * 1000, 1e9)))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw .silent(rank: first, seconds: silenceSeconds) }
            for (entry, peer) in zip(polled, peers) where entry.revents != 0 {
                if let bytes = sending[peer].last, entry.revents & Int16(POLLOUT) != 0 {
                    let count = Glibc.send(sockets[peer], bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                    try check(count, peer)
                    bytesSent += max(count, 0)
                    sending[peer][sending[peer].count - 1] = UnsafeRawBufferPointer(
                        rebasing: bytes.dropFirst(max(count, 0)))
                    if sending[peer].last!.isEmpty { sending[peer].removeLast() }
                }
                if let bytes = receiving[peer].last, entry.revents & Int16(POLLIN | POLLHUP) != 0 {
                    let count = Glibc.recv(sockets[peer], bytes.baseAddress, bytes.count, 0)
                    if count == 0 { throw .failed(rank: peer, reason: "the connection is closed") }
                    try check(count, peer)
                    receiving[peer][receiving[peer].count - 1] = UnsafeMutableRawBufferPointer(
                        rebasing: bytes.dropFirst(max(count, 0)))
                    if receiving[peer].last!.isEmpty { receiving[peer].removeLast() }
                } else if entry.revents & Int16(POLLERR | POLLNVAL) != 0 {
                    throw .failed(rank: peer, reason: "the connection is closed")
                }
            }
        }
    }

    private func check(_ count: Int, _ peer: Int) throws(CommunicationError) {
        guard count < 0, errno != EAGAIN, errno != EINTR else { return }
        throw .failed(rank: peer, reason: String(cString: strerror(errno)))
    }

    /// Closes the connections to all ranks, as if this process had died.
    public func abort(status: Int32) { for socket in sockets where socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) } }

    public func end() {}
}

/// Runs `body` for each rank on a thread of its own and returns the results in the order of the ranks.
public func onRanks<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (SocketCommunicator) throws -> Result
) async throws -> [Result] {
    let communicators = SocketCommunicator.ranks(count)
    return try await withThrowingTaskGroup(of: (Int, Result).self) { group in
        for communicator in communicators {
            group.addTask {
                try await blocking {
                    do {
                        return (communicator.rank, try body(communicator))
                    } catch {
                        // The others must not wait for a rank that has failed.
                        communicator.abort(status: 1)
                        throw error
                    }
                }
            }
        }
        var results = [Result?](repeating: nil, count: count)
        for try await (rank, result) in group { results[rank] = result }
        return results.map { $0! }
    }
}
