import Glibc
import LimitedLogging
import Logging
import Synchronization

/// What was read from files, which are read again when they change.
final class ReloadedFiles<Value: Sendable>: Sendable {
    private struct State {
        var value: Value
        var versions: [FileVersion?]
        var checked: ContinuousClock.Instant
    }

    private let paths: [String]
    private let read: @Sendable () throws -> Value
    private let state: Mutex<State>

    /// - Parameters:
    ///   - paths: the files that `read` depends on
    ///   - read: reads all of them
    init<Failure: Error>(
        _ paths: [String], read: @escaping @Sendable () throws(Failure) -> Value
    ) throws(Failure) {
        self.paths = paths
        self.read = read
        // Taken before reading, so that a change in between is noticed.
        let versions = paths.map { FileVersion(path: $0) }
        state = Mutex(State(value: try read(), versions: versions, checked: .now))
    }

    var value: Value { state.withLock { $0.value } }

    /// Reads the files again if they have changed. Looks at most once in `interval` whether they have.
    ///
    /// - Parameters:
    ///   - name: what is read, for the log
    ///   - news: the message after it was read
    ///   - remains: says, after an error, that the previous value stays in use
    func reload(
        every interval: Duration, log: LimitLog, name: String, news: (Value) -> String, remains: String
    ) {
        let known = state.withLock { state -> [FileVersion?]? in
            guard ContinuousClock.now - state.checked >= interval else { return nil }
            state.checked = .now
            return state.versions
        }
        guard let known else { return }
        let versions = paths.map { FileVersion(path: $0) }
        guard versions != known else { return }
        do {
            let value = try read()
            state.withLock {
                $0.value = value
                $0.versions = versions
            }
            log.write(.notice, "\(name) read", news(value))
        } catch {
            log.write(.error, "\(name) not read", "\(error); \(remains)")
        }
    }
}

/// Identifies the contents of a file, to notice a change without reading it.
private struct FileVersion: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    private let size: off_t
    private let seconds: Int
    private let nanoseconds: Int

    /// Returns nil if the file cannot be examined.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        seconds = status.st_ctim.tv_sec
        nanoseconds = status.st_ctim.tv_nsec
    }
}
