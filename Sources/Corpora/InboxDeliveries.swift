import Fairness
import Synchronization

/// The files that the watcher delivers, in a bounded queue. Iterate over them one by one, or take as many as are ready
/// with `next(atMost:)`. Only one consumer at a time may wait.
///
/// Owners take turns, weighted by the time their files take (`charge`, `FairQueue`), so that the files of one do not
/// hold up those of another for longer than one file or batch.
public struct InboxDeliveries: AsyncSequence, Sendable {
    public typealias Element = InboxFile

    private struct State {
        /// Costs are in microseconds.
        var waiting = FairQueue<UInt32, InboxFile>()
        /// The files in the queue and those that the consumer took last, by path.
        var outstanding: [String: FileSignature] = [:]
        var taken: [InboxFile] = []

        mutating func append(_ file: InboxFile) {
            waiting.push(file, for: file.signature.owner)
            outstanding[file.path] = file.signature
        }

        mutating func take(_ most: Int) -> [InboxFile] {
            for file in taken where outstanding[file.path] == file.signature { outstanding[file.path] = nil }
            taken = waiting.popFirst(atMost: most)?.elements ?? []
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
    package init(most: Int) {
        self.most = most
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Number of files that are delivered but not yet consumed.
    var count: Int { queue.state.withLock(\.waiting.count) }

    /// Whether this version of a file is in the queue, or among those that the consumer took last and is working on.
    func isOutstanding(_ path: String, _ signature: FileSignature) -> Bool {
        queue.state.withLock { $0.outstanding[path] == signature }
    }

    /// Number of files of this owner that can be appended: one owner may fill half of the queue.
    func room(for owner: UInt32) -> Int { queue.state.withLock { room(for: owner, $0) } }

    private func room(for owner: UInt32, _ state: State) -> Int {
        Swift.max(
            0, Swift.min(most - state.waiting.count, Swift.max(1, most / 2) - state.waiting.count(of: owner)))
    }

    /// Appends a file.
    /// - Returns: false if there is no room for it
    package func yield(_ file: InboxFile) -> Bool {
        let isQueued = queue.state.withLock { state in
            guard room(for: file.signature.owner, state) > 0 else { return false }
            state.append(file)
            return true
        }
        signal.yield()
        return isQueued
    }

    func finish() { signal.finish() }

    /// Accounts for the time that files of an owner took.
    /// - Parameter unused: the files at the end of the last batch that the consumer did not process
    package func charge(_ owner: UInt32, _ time: Duration, unused: ArraySlice<InboxFile>) {
        queue.state.withLock { state in
            state.waiting.charge(Int(time / .microseconds(1)), to: owner)
            state.waiting.putBack(unused, for: owner)
            state.taken.removeLast(unused.count)
        }
        if !unused.isEmpty { signal.yield() }
    }

    /// Whether files of another owner are waiting.
    package func hasFiles(ofOthersThan owner: UInt32) -> Bool {
        queue.state.withLock { $0.waiting.users.contains { $0 != owner } }
    }

    /// Waits for at least one file. The consumer has finished with the files that were returned before.
    /// - Returns: the oldest files of the owner whose turn it is, or an empty array if the watcher was stopped or the task
    ///   cancelled
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
