import Dispatch
import Synchronization

/// Threads for many operations on small files. A file system answers several callers sooner than one caller several times,
/// even if there is one core: most of the time is spent waiting for the disk.
enum FileThreads {
    /// Fewer files are not worth another thread.
    private static let filesOfThread = 8

    /// Calls `work` on several threads and waits until all calls have returned. Calls it once, on this thread, if there are
    /// few files.
    /// - Parameters:
    ///   - most: maximum number of threads
    ///   - work: takes the next file until there is none
    static func run(most: Int, files: Int, _ work: @escaping @Sendable () -> Void) {
        let threads = min(most, files / filesOfThread)
        guard threads > 1 else { return work() }
        let group = DispatchGroup()
        for number in 1..<threads {
            // A serial queue has a thread of its own, also while those of the shared pool are blocked.
            DispatchQueue(label: "io.kantaibert.inbox.files-\(number)").async(group: group, execute: work)
        }
        work()
        group.wait()
    }

    /// Returns the results of `body` for each file, in the order of the files.
    static func map<File: Sendable, Value: Sendable>(
        _ files: [File], most: Int, _ body: @escaping @Sendable (File) -> Value
    ) -> [Value] {
        let results = Results<Value>(count: files.count)
        run(most: most, files: files.count) {
            while let index = results.next() { results.note(body(files[index]), at: index) }
        }
        return results.all
    }

    private final class Results<Value: Sendable>: Sendable {
        private struct State {
            var next = 0
            var values: [Value?]
        }

        private let state: Mutex<State>

        init(count: Int) { state = Mutex(State(values: Array(repeating: nil, count: count))) }

        /// Index of the next file, or nil if there is none.
        func next() -> Int? {
            state.withLock { state in
                guard state.next < state.values.count else { return nil }
                defer { state.next += 1 }
                return state.next
            }
        }

        func note(_ value: Value, at index: Int) { state.withLock { $0.values[index] = value } }

        var all: [Value] { state.withLock { $0.values.compactMap(\.self) } }
    }
}
