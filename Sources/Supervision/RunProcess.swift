import AsyncSupport
import Dispatch
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Subprocess
import Synchronization
import SystemPackage

/// One life of a `kantaibert-train` process.
struct RunProcess: Sendable {
    /// How the process ended.
    struct ExitStatus: Sendable {
        var cause: Cause
        /// The last lines it wrote to its standard error.
        var lastLines: [String]
    }

    enum Cause: Sendable, Equatable, CustomStringConvertible {
        case status(Int)
        case signal(Int)
        /// Ended by the kernel when memory ran out.
        case outOfMemory
        /// Ended from here: so many seconds without a word.
        case stalled(seconds: Double)
        /// Ended from here: it held more memory than it may.
        case tookTooMuch(bytes: Int, limit: Int)
        /// It could not be started.
        case notStarted(String)

        var description: String {
            switch self {
            case .status(let status): "status \(status)"
            case .signal(let signal): Self.name(of: signal)
            case .outOfMemory: "\(Self.name(of: Int(SIGKILL))), the kernel's: memory ran out"
            case .stalled(let seconds): "it hung: no word for \(MessageFormat.duration(seconds)) (training.stall)"
            case .tookTooMuch(let bytes, let limit):
                "it held \(MessageFormat.bytes(bytes)) of memory, more than \(MessageFormat.bytes(limit)) (training.memory_limit)"
            case .notStarted(let reason): "not started: \(reason)"
            }
        }

        /// Whether somebody has told it to end, or it has never begun.
        var isManual: Bool {
            switch self {
            case .signal(let signal): [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(Int32(signal))
            case .notStarted: true
            case .status, .outOfMemory, .stalled, .tookTooMuch: false
            }
        }

        private static func name(of signal: Int) -> String {
            names[Int32(signal)].map { "SIG\($0)" } ?? "signal \(signal)"
        }

        /// Those that end a process.
        private static let names = [
            SIGABRT: "ABRT", SIGALRM: "ALRM", SIGBUS: "BUS", SIGFPE: "FPE", SIGHUP: "HUP", SIGILL: "ILL",
            SIGINT: "INT", SIGKILL: "KILL", SIGPIPE: "PIPE", SIGQUIT: "QUIT", SIGSEGV: "SEGV", SIGSYS: "SYS",
            SIGTERM: "TERM", SIGTRAP: "TRAP", SIGUSR1: "USR1", SIGUSR2: "USR2", SIGXCPU: "XCPU", SIGXFSZ: "XFSZ",
        ]
    }

    var program: String
    var arguments: [String]
    /// How long the process may take to leave once it is told to.
    var stopSeconds: Double
    /// How long it may say nothing; nil: for ever.
    var stallSeconds: Double?
    /// Bytes of memory of its own that it may hold; nil: whatever it gets.
    var memoryLimit: Int?

    /// Starts the process and returns when it is gone.
    /// - Parameters:
    ///   - leave: when open, standard input is closed, which the run takes as "checkpoint and leave"
    ///   - onLine: gets each event in order, or the line that is none
    func run(leave: Latch, onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void) async
        -> ExitStatus
    {
        var options = PlatformOptions()
        // Ctrl-C on a terminal goes to a whole process group; this process alone is to hear it and close the pipe.
        options.processGroupID = 0
        let tail = LogTail(limit: 20)
        let watch = Watch()
        let killedBefore = MemoryEvents.kills()
        do {
            let result = try await Subprocess.run(
                .path(FilePath(program)), arguments: Arguments(arguments), platformOptions: options,
                input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                // By timers, and not by child tasks that sleep and are cancelled: these are suspected of the one time that a
                // freed task ended the service, in Swift's runtime (6.3.1).
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
                    // Where the process is gone already, both have nothing left to do.
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
                        // The time that the line took here is not the run's.
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

    /// Why the process has to be ended now; nil where it may go on.
    private func limitViolation(_ silence: Double, _ process: pid_t) -> Cause? {
        if let stallSeconds, silence > stallSeconds { return .stalled(seconds: stallSeconds) }
        if let memoryLimit, let held = ProcessMemory.own(of: process), held > memoryLimit {
            return .tookTooMuch(bytes: held, limit: memoryLimit)
        }
        return nil
    }
}

/// What is known of a process while it lives, and what is done about it.
private final class Watch: Sendable {
    private struct State {
        var heard = ContinuousClock.now
        var cause: RunProcess.Cause?
        /// Nil before it is watched, and when it is not any more.
        var timer: (any DispatchSourceTimer)?
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "io.kantaibert.run")

    func hear() { state.withLock { $0.heard = .now } }

    /// Seconds since it was heard.
    var silence: Double { state.withLock { $0.heard }.duration(to: .now) / .seconds(1) }

    /// Why it was ended from here, if it was.
    var endedHere: RunProcess.Cause? { state.withLock { $0.cause } }

    /// - Parameter look: ends the process where it has to be, and says why; not called again then
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

    /// Does something later, if the process is still there.
    func after(_ seconds: Double, _ body: @escaping @Sendable () -> Void) {
        queue.asyncAfter(deadline: .now() + seconds) { [weak self] in
            if self?.isWatched == true { body() }
        }
    }

    /// The process is gone: nothing is done about it any more when this returns.
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

/// A line of a run's output that is no event.
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
