import AsyncSupport
import CFiles
import Dispatch
import Glibc

/// Runs a user's command for a limited time. The process is the leader of a process group of its own; it inherits the sandbox of
/// this process, but neither its environment nor its descriptors. No shell is involved.
package struct LimitedCommand: Sendable {
    package enum Ending: Sendable, Equatable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32)
        /// It was killed because its time was up.
        case tookTooLong(seconds: Double)
        /// It was killed because the caller did not want it any longer.
        case cancelled
        case notStarted(errno: Int32)

        package var description: String {
            switch self {
            case .status(let status): "status \(status)"
            case .signal(let number): "signal \(number)"
            case .tookTooLong(let seconds): "it was killed because it took longer than \(Int(seconds)) s"
            case .cancelled: "it was killed because the service was stopped"
            case .notStarted(let number): "it cannot be started: \(String(cString: strerror(number)))"
            }
        }
    }

    /// Bytes that are kept of the end of its output.
    private static let mostOutput = 2_048
    private static let queue = DispatchQueue(label: "io.kantaibert.command", attributes: .concurrent)

    /// The absolute path of the program, and its arguments.
    package var command: [String]
    package var environment: [String: String]
    package var seconds: Double

    package init(command: [String], environment: [String: String], seconds: Double) {
        self.command = command
        self.environment = environment
        self.seconds = seconds
    }

    /// Runs the command until it ends. What it leaves running in its process group is killed.
    /// - Returns: how it ended, and the end of its output
    package func run(_ flag: CancellationFlag) async -> (ending: Ending, output: String) {
        await Self.queue.run { runBlocking(flag) }
    }

    private func runBlocking(_ flag: CancellationFlag) -> (ending: Ending, output: String) {
        var ends: [Int32] = [0, 0]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { return (.notStarted(errno: errno), "") }
        defer { close(ends[0]) }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var process = pid_t()
        let cause = spawn(&process, output: ends[1])
        close(ends[1])
        guard cause == 0 else { return (.notStarted(errno: cause), "") }

        let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
        var output: [UInt8] = []
        var killed: Ending?
        while true {
            var entry = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, 50)
            Self.drain(ends[0], into: &output)
            var information = siginfo_t()
            // Not reaped yet, so that its number, which is also that of its group, belongs to no other process.
            let status = waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT)
            if status == 0 && information.si_signo == SIGCHLD || status < 0 && errno == ECHILD { break }
            if killed == nil {
                if flag.isCancelled { killed = .cancelled }
                if ContinuousClock.now >= deadline { killed = .tookTooLong(seconds: seconds) }
                if killed != nil { kill(-process, SIGKILL) }
            }
        }
        kill(-process, SIGKILL)
        Self.drain(ends[0], into: &output)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        let ending: Ending = signal == 0 ? .status(status >> 8 & 0xFF) : .signal(signal)
        return (killed ?? ending, String(decoding: output, as: UTF8.self))
    }

    /// Reads what is available and keeps the end of it.
    private static func drain(_ descriptor: Int32, into output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 1) { buffer in
            // A command that writes without end is not read without end.
            for _ in 0..<64 {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                output += buffer[..<count]
                if output.count > mostOutput { output.removeFirst(output.count - mostOutput) }
            }
        }
    }

    /// - Returns: 0, or why the program cannot be started
    private func spawn(_ process: inout pid_t, output: Int32) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        // Its own, so that it and what it starts can be killed together.
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        return posix_spawn(&process, command[0], &actions, &attributes, &arguments, &variables)
    }
}
