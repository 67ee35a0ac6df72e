import Synchronization

/// The files that the watcher delivers, in a bounded queue. Iterate over them one by one, or take as many as are ready
/// with `next(atMost:)`. Only one consumer at a time may wait.
public struct InboxDeliveries: AsyncSequence, Sendable {
    public typealias Element = InboxFile

    private struct State {
        var queue: [InboxFile] = []
        /// The files in the queue and those that the consumer took last, by path.
        var outstanding: [String: FileSignature] = [:]
        var taken: [InboxFile] = []

        mutating func take(_ count: Int) -> [InboxFile] {
            for file in taken where outstanding[file.path] == file.signature { outstanding[file.path] = nil }
            taken = Array(queue.prefix(count))
            queue.removeFirst(taken.count)
            return taken
        }
    }

    private final class Queue: Sendable {
        let state = Mutex(State())
    }

    private let queue = Queue()
    /// Holds an element if the queue may have become non-empty. Finishes when the watcher is stopped.
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let most: Int

    /// - Parameter most: maximum number of files in the queue
    init(most: Int) {
        self.most = most
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Number of files that are delivered but not yet consumed.
    var count: Int { queue.state.withLock { $0.queue.count } }

    /// Whether this version of a file is in the queue, or among those that the consumer took last and is working on.
    func isOutstanding(_ path: String, _ signature: FileSignature) -> Bool {
        queue.state.withLock { $0.outstanding[path] == signature }
    }

    /// Appends a file.
    /// - Returns: false if the queue is full
    func yield(_ file: InboxFile) -> Bool {
        let isQueued = queue.state.withLock { state in
            guard state.queue.count < most else { return false }
            state.queue.append(file)
            state.outstanding[file.path] = file.signature
            return true
        }
        signal.yield()
        return isQueued
    }

    func finish() { signal.finish() }

    /// Waits for at least one file. The consumer has finished with the files that were returned before.
    /// - Returns: the oldest files, or an empty array if the watcher was stopped or the task cancelled
    public func next(atMost count: Int) async -> [InboxFile] {
        while true {
            let files = queue.state.withLock { $0.take(count) }
            if !files.isEmpty { return files }
            var signals = signals.makeAsyncIterator()
            guard await signals.next() != nil else { return [] }
        }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let deliveries: InboxDeliveries

        public func next() async -> InboxFile? { await deliveries.next(atMost: 1).first }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(deliveries: self) }
}
