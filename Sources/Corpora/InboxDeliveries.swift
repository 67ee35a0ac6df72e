import Synchronization

/// The files that the watcher delivers, in a bounded queue. Iterate over them one by one, or take as many as are ready
/// with `next(atMost:)`. Only one consumer at a time may wait.
///
/// Owners take turns by the time that their files have taken (`charge`), so that the files of one do not hold up those of
/// another for longer than one file or batch. The files of an owner keep their order. An owner who returns after a pause
/// starts at the level of the others, so that idling earns no credit.
public struct InboxDeliveries: AsyncSequence, Sendable {
    public typealias Element = InboxFile

    private struct Lane {
        var files: ArraySlice<InboxFile> = []
        /// Time that the owner's files have taken.
        var account: Duration
    }

    private struct State {
        var lanes: [UInt32: Lane] = [:]
        var count = 0
        /// The account of the owner whose files were taken last.
        var level = Duration.zero
        /// The files in the queue and those that the consumer took last, by path.
        var outstanding: [String: FileSignature] = [:]
        var taken: [InboxFile] = []

        mutating func append(_ file: InboxFile) {
            let owner = file.signature.owner
            if lanes[owner]?.files.isEmpty ?? true {
                lanes[owner] = Lane(account: Swift.max(lanes[owner]?.account ?? level, level))
            }
            lanes[owner]!.files.append(file)
            outstanding[file.path] = file.signature
            count += 1
        }

        mutating func take(_ most: Int) -> [InboxFile] {
            for file in taken where outstanding[file.path] == file.signature { outstanding[file.path] = nil }
            taken = []
            let waiting = lanes.filter { !$0.value.files.isEmpty }
            guard
                let (owner, account) = waiting.mapValues(\.account).min(by: { ($0.value, $0.key) < ($1.value, $1.key) })
            else { return [] }
            level = account
            taken = Array(lanes[owner]!.files.prefix(most))
            lanes[owner]!.files.removeFirst(taken.count)
            count -= taken.count
            return taken
        }

        /// Puts files back to the front of their owner's queue.
        mutating func giveBack(_ files: ArraySlice<InboxFile>) {
            guard let owner = files.first?.signature.owner else { return }
            lanes[owner, default: Lane(account: level)].files.insert(
                contentsOf: files, at: lanes[owner]?.files.startIndex ?? 0)
            count += files.count
            taken.removeLast(files.count)
        }

        mutating func charge(_ owner: UInt32, _ time: Duration) {
            lanes[owner, default: Lane(account: level)].account += time
            let level = level
            lanes = lanes.filter { !$0.value.files.isEmpty || $0.value.account > level }
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
    var count: Int { queue.state.withLock(\.count) }

    /// Whether this version of a file is in the queue, or among those that the consumer took last and is working on.
    func isOutstanding(_ path: String, _ signature: FileSignature) -> Bool {
        queue.state.withLock { $0.outstanding[path] == signature }
    }

    /// Whether one more file of this owner can be appended: one owner may fill half of the queue.
    func hasRoom(for owner: UInt32) -> Bool { queue.state.withLock { hasRoom(for: owner, $0) } }

    private func hasRoom(for owner: UInt32, _ state: State) -> Bool {
        state.count < most && (state.lanes[owner]?.files.count ?? 0) < Swift.max(1, most / 2)
    }

    /// Appends a file.
    /// - Returns: false if there is no room for it
    package func yield(_ file: InboxFile) -> Bool {
        let isQueued = queue.state.withLock { state in
            guard hasRoom(for: file.signature.owner, state) else { return false }
            state.append(file)
            return true
        }
        signal.yield()
        return isQueued
    }

    func finish() { signal.finish() }

    /// Accounts for the time that files of an owner took.
    /// - Parameter unused: those at the end of the files returned last that the consumer did not begin with
    package func charge(_ owner: UInt32, _ time: Duration, unused: ArraySlice<InboxFile>) {
        queue.state.withLock {
            $0.giveBack(unused)
            $0.charge(owner, time)
        }
        if !unused.isEmpty { signal.yield() }
    }

    /// Whether files of another owner wait.
    package func hasFiles(ofOthersThan owner: UInt32) -> Bool {
        queue.state.withLock { $0.lanes.contains { $0.key != owner && !$0.value.files.isEmpty } }
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
