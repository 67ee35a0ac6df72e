import Corpora
import Synchronization

/// Tells those who added files to the inbox what has become of them.
package final class InboxOutcomes: Sendable {
    /// Identifies a file in the inbox before its name is known.
    package struct FileID: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64

        package init(device: UInt64, inode: UInt64) {
            self.device = device
            self.inode = inode
        }
    }

    package enum Outcome: Sendable, Equatable {
        case admitted(sha256: String, isDuplicate: Bool, warnings: [String])
        case rejected(reason: String)
        /// It stays in the inbox and is tried again.
        case waiting(reason: String)
    }

    private typealias Teller = @Sendable (Outcome) -> Void

    private struct State {
        var tellers: [FileID: Teller] = [:]
        var ends: [Int: @Sendable () -> Void] = [:]
        var next = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether the service is stopping: no further file is read.
    var isFinished: Bool { state.withLock(\.isFinished) }

    /// Calls `tell` with the first outcome of a file. The number of files is bounded by the callers.
    package func expect(_ file: FileID, tell: @escaping @Sendable (Outcome) -> Void) {
        state.withLock { $0.tellers[file] = tell }
    }

    /// Ends `expect`.
    package func forget(_ files: some Sequence<FileID>) {
        state.withLock { state in
            for file in files { state.tellers[file] = nil }
        }
    }

    /// Calls `body` when the service stops, or now if it is stopping.
    /// - Returns: identifies the call for `forgetEnd`
    func whenFinished(_ body: @escaping @Sendable () -> Void) -> Int {
        let (number, isFinished) = state.withLock { state in
            state.next += 1
            state.ends[state.next] = body
            return (state.next, state.isFinished)
        }
        if isFinished { body() }
        return number
    }

    func forgetEnd(_ number: Int) { state.withLock { $0.ends[number] = nil } }

    package func tell(_ file: InboxFile, _ outcome: @autoclosure () -> Outcome) {
        let file = FileID(device: file.signature.device, inode: file.signature.inode)
        guard let tell = state.withLock({ $0.tellers.removeValue(forKey: file) }) else { return }
        tell(outcome())
    }

    /// Called when the service stops.
    func finish() {
        let ends = state.withLock { state in
            state.isFinished = true
            return Array(state.ends.values)
        }
        for end in ends { end() }
    }
}
