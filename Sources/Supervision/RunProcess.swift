import AsyncSupport
import Dispatch
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Subprocess
import Synchronization
import SystemPackage

/// A single `kantaibert-train` process, from start to exit.
struct RunProcess: Sendable {
    /// How the process ended.
    struct ExitStatus: Sendable {
        var cause: Cause
        /// The last lines that it wrote to standard error.
        var lastLines: [String]
    }

    enum Cause: Sendable, Equatable, CustomStringConvertible {
        case status(Int)
        case signal(Int)
        /// Killed by the kernel because memory ran out.
        case outOfMemory
        /// Killed by this service after `seconds` without output.
        case stalled(seconds: Double)
        /// Killed by this service because it held more memory than its limit.
        case tookTooMuch(bytes: Int, limit: Int)
        /// Killed by this service because it took too long to read a corpus.
        case readTooLong(corpus: String, reason: String)
        /// The process could not be started.
        case notStarted(String)

        var description: String {
            switch self {
            case .status(let status): "status \(status)"
            case .signal(let signal): Self.name(of: signal)
            case .outOfMemory: "\(Self.name(of: Int(SIGKILL))) by the kernel: memory ran out"
            case .stalled(let seconds): "hung: no output for \(MessageFormat.duration(seconds)) (training.stall)"
            case .tookTooMuch(let bytes, let limit):
                "held \(MessageFormat.bytes(bytes)) of memory, more than \(MessageFormat.bytes(limit)) (training.memory_limit)"
            case .readTooLong(_, let reason): reason
            case .notStarted(let reason): "not started: \(reason)"
            }
        }

        /// Whether a user ended the process, or it never started. In either case, no corpus is the cause.
        var isManual: Bool {
            switch self {
            case .signal(let signal): [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(Int32(signal))
            case .notStarted: true
            case .status, .outOfMemory, .stalled, .tookTooMuch, .readTooLong: false
            }
        }

        private static func name(of signal: Int) -> String {
            names[Int32(signal)].map { "SIG\($0)" } ?? "signal \(signal)"
        }

        /// The signals that terminate a process.
        private static let names = [
            SIGABRT: "ABRT", SIGALRM: "ALRM", SIGBUS: "BUS", SIGFPE: "FPE", SIGHUP: "HUP", SIGILL: "ILL",
            SIGINT: "INT", SIGKILL: "KILL", SIGPIPE: "PIPE", SIGQUIT: "QUIT", SIGSEGV: "SEGV", SIGSYS: "SYS",
            SIGTERM: "TERM", SIGTRAP: "TRAP", SIGUSR1: "USR1", SIGUSR2: "USR2", SIGXCPU: "XCPU", SIGXFSZ: "XFSZ",
        ]
    }

    var program: String
    var arguments: [String]
    /// How long the process may take to exit once it is asked to stop.
    var stopSeconds: Double
    /// How long the process may go without output; nil means forever.
    var stallSeconds: Double?
    /// The bytes of private memory that the process may hold; nil means unlimited.
    var memoryLimit: Int?
    /// Limits the time for reading a corpus; nil means forever. The caller notes the events.
    var reading: ReadingWatch?

    /// Starts the process and returns when it has exited.
    /// - Parameters:
    ///   - leave: once open, standard input is closed, which asks the run to write a checkpoint and stop
    ///   - onLine: receives every event in order, and every line that is not an event
    func run(leave: Latch, onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void) async
        -> ExitStatus
    {
        var options = PlatformOptions()
        // Ctrl-C on a terminal signals a whole process group; only this process should receive it and close the pipe.
        options.processGroupID = 0
        let tail = LogTail(limit: 20)
        let watch = Watch()
        let killedBefore = MemoryEvents.kills()
        do {
            let result = try await Subprocess.run(
                program.contains("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(arguments),
                platformOptions: options,
                input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                // Uses timers instead of child tasks that sleep and are cancelled, because the latter are suspected to
                // have caused a use-after-free of a task in Swift's runtime (6.3.1), which crashed the service.
                watch.begin(every: watchInterval) {
                    guard let cause = limitViolation(watch.silence, execution.processIdentifier.value) else {
                        return nil
                    }
                    try? execution.send(signal: .kill)
                    return cause
                }
                defer { watch.stop() }
                let leaving = Task {
                    await leave.wait()
                    guard leave.isOpen else { return }
                    // If the process has exited already, neither has an effect.
                    try? await execution.standardInputWriter.finish()
                    watch.after(stopSeconds) { try? execution.send(signal: .kill) }
                }
                defer { leaving.cancel() }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for try await line in execution.standardError.strings() { tail.append(line) }
                    }
                    for try await line in execution.standardOutput.strings() {
                        watch.hear()
                        guard !line.allSatisfy(\.isWhitespace) else { continue }
                        await onLine(MalformedEvent.decode(line))
                        // The time spent on handling the line does not count as silence.
                        watch.hear()
                    }
                    try await group.waitForAll()
                }
            }
            let cause: Cause
            switch result.terminationStatus {
            case .exited(let status): cause = .status(Int(status))
            case .signaled(let signal) where signal == SIGKILL && MemoryEvents.kills() > killedBefore:
                cause = .outOfMemory
            case .signaled(let signal): cause = .signal(Int(signal))
            }
            return ExitStatus(cause: watch.endedHere ?? cause, lastLines: tail.lines)
        } catch {
            return ExitStatus(cause: .notStarted("\(program): \(error)"), lastLines: tail.lines)
        }
    }

    private var watchInterval: Double { min(1, (stallSeconds ?? 4) / 4) }

    /// Returns why the process must be killed now, or nil if it may continue.
    private func limitViolation(_ silence: Double, _ process: pid_t) -> Cause? {
        if let stallSeconds, silence > stallSeconds { return .stalled(seconds: stallSeconds) }
        if let memoryLimit, let held = ProcessMemory.own(of: process), held > memoryLimit {
            return .tookTooMuch(bytes: held, limit: memoryLimit)
        }
        return reading?.violation
    }
}

/// Watches a running process and kills it if it violates a limit.
private final class Watch: Sendable {
    private struct State {
        var heard = ContinuousClock.now
        var cause: RunProcess.Cause?
        /// Nil before watching starts and after it has stopped.
        var timer: (any DispatchSourceTimer)?
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "io.kantaibert.run")

    func hear() { state.withLock { $0.heard = .now } }

    /// Seconds since the last output.
    var silence: Double { state.withLock { $0.heard }.duration(to: .now) / .seconds(1) }

    /// Why this service killed the process, if it did.
    var endedHere: RunProcess.Cause? { state.withLock { $0.cause } }

    /// - Parameter look: kills the process if necessary and returns why; not called again after that
    func begin(every seconds: Double, _ look: @escaping @Sendable () -> RunProcess.Cause?) {
        state.withLock { state in
            let timer = DispatchSource.makeTimerSource(queue: queue)
            timer.schedule(deadline: .now() + seconds, repeating: seconds)
            timer.setEventHandler { [weak self] in
                guard let self, isWatched, let cause = look() else { return }
                self.state.withLock { state in
                    state.cause = cause
                    state.timer?.cancel()
                }
            }
            timer.activate()
            state.timer = timer
        }
    }

    /// Runs `body` after a delay if the process is still running.
    func after(_ seconds: Double, _ body: @escaping @Sendable () -> Void) {
        queue.asyncAfter(deadline: .now() + seconds) { [weak self] in
            if self?.isWatched == true { body() }
        }
    }

    /// Stops watching because the process has exited. When this returns, neither the timer nor a delayed body runs any more.
    func stop() {
        queue.sync {
            state.withLock { state in
                state.timer?.cancel()
                state.timer = nil
            }
        }
    }

    private var isWatched: Bool { state.withLock { $0.timer != nil } }
}

/// A line of a run's output that is not an event.
package struct MalformedEvent: Error, CustomStringConvertible {
    package var line: String
    package var reason: String

    static func decode(_ line: String) -> Result<RunEvent, MalformedEvent> {
        do {
            return .success(try JobCoding.decode(RunEvent.self, from: Data(line.utf8)))
        } catch {
            return .failure(MalformedEvent(line: String(line.prefix(200)), reason: "\(error)"))
        }
    }

    package var description: String { "‘\(line)’ is not an event: \(reason)" }
}
