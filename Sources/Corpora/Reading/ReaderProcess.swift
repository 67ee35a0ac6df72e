import CFiles
import Dispatch
import Durable
import FoundationEssentials
import Glibc
import TextReading

/// Runs `kantaibert-read` on one file.
struct ReaderProcess {
    let program: String
    let limits: ReaderLimits
    private let turn = DispatchSemaphore(value: 1)

    init(program: String, limits: ReaderLimits) {
        self.program = program
        self.limits = limits
    }

    /// The reader did not answer, because of the file or of a library.
    private enum Failure: Error {
        case signal(Int32)
        case status(Int32)
        case hung(seconds: Int)
        case slow(seconds: Int)
        case malformedAnswer
    }

    private static let pieceBytes = 64 << 10
    private static let longestAnswer = 256 << 10
    /// How often cancellation and time limits are checked, in milliseconds.
    private static let pollMilliseconds: Int32 = 500

    /// Calls `body`, which reads a file, when no other thread does so. The limit on memory is that of one process.
    func taking<Value>(_ body: () throws -> Value) throws -> Value {
        turn.wait()
        defer { turn.signal() }
        return try body()
    }

    /// Converts a file to text.
    /// - Parameters:
    ///   - scratch: an empty file without a name that is open for reading and writing
    ///   - check: called at least twice a second; an error that it throws ends the process
    ///   - take: receives the pieces of the text
    /// - Throws: `RejectionError`, `DurableError` if no process can be started or confined or `scratch` is full, and
    ///   errors thrown by `check` and `take`
    func read(
        _ file: Int32, name: String, bytes: Int, options: ReadingOptions, scratch: Int32,
        check: () throws -> Void, take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> ReadingReport {
        let request = ReaderRequest(name: name, bytes: bytes, options: options, limits: limits)
        guard lseek(file, 0, SEEK_SET) == 0 else { throw DurableError(operation: "lseek", path: name, errno: errno) }
        let (text, answer) = (try Pipe(), try Pipe())
        defer { withExtendedLifetime((text, answer)) {} }
        let process = try start(
            request, [.file: file, .text: text.writing, .answer: answer.writing, .scratch: scratch])
        text.closeWriting()
        answer.closeWriting()
        let began = ContinuousClock.now
        var hasWritten = false
        let collected = Result {
            try collect(text.reading, answer.reading, bytes, check) { piece in
                hasWritten = true
                try take(piece)
            }
        }
        // The only place where the process is ended and reaped: afterwards, its process ID may be reused.
        let status = process.end()
        do {
            let json = try collected.get()
            guard status & 0x7F == 0 else { throw Failure.signal(status & 0x7F) }
            // A process that the file has compromised could report this so that the file is read again and again.
            if status >> 8 & 0xFF == EX_OSERR, !hasWritten, json.isEmpty, .now - began < Self.mostToConfine {
                throw unconfined
            }
            guard status == 0 else { throw Failure.status(status >> 8 & 0xFF) }
            guard let answer = try? JSONDecoder().decode(ReaderAnswer.self, from: Data(json)) else {
                throw Failure.malformedAnswer
            }
            switch answer {
            case .read(let report): return report
            case .rejected(let reason): throw RejectionError(reason)
            case .noSpace:
                let cause = Self.growing(scratch)
                guard cause != 0 else { throw Failure.malformedAnswer }
                throw DurableError(operation: "write", path: name, errno: cause)
            }
        } catch let failure as Failure {
            throw RejectionError(explain(failure, bytes))
        }
    }

    /// Passes on the text and returns the answer.
    private func collect(
        _ text: Int32, _ answer: Int32, _ bytes: Int, _ check: () throws -> Void,
        _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> [UInt8] {
        var json: [UInt8] = []
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        var polled = [
            pollfd(fd: text, events: Int16(POLLIN), revents: 0), pollfd(fd: answer, events: Int16(POLLIN), revents: 0),
        ]
        // A process that computes without output is ended by its limit for CPU time.
        let mostIdle = max(limits.idleSeconds, 2 * limits.seconds(forBytes: bytes))
        let began = ContinuousClock.now
        var (lastOutput, lastCheck) = (began, began)
        // The total time is limited as well, because all other files wait for this one.
        let most = max(mostIdle, 10 * limits.seconds(forBytes: bytes))
        while polled.contains(where: { $0.fd >= 0 }) {
            let now = ContinuousClock.now
            if lastCheck == began || now - lastCheck > .milliseconds(Int(Self.pollMilliseconds)) {
                try check()
                lastCheck = now
            }
            guard now - lastOutput < .seconds(mostIdle) else { throw Failure.hung(seconds: mostIdle) }
            guard now - began < .seconds(most) else { throw Failure.slow(seconds: most) }
            let ready = poll(&polled, nfds_t(polled.count), Self.pollMilliseconds)
            if ready <= 0 { continue }
            lastOutput = .now
            for index in polled.indices where polled[index].fd >= 0 && polled[index].revents != 0 {
                let count = retrying { Glibc.read(polled[index].fd, piece.baseAddress, piece.count) }
                guard count > 0 else {
                    polled[index].fd = -1
                    continue
                }
                let got = UnsafeRawBufferPointer(rebasing: piece[..<count])
                if polled[index].fd == text {
                    try take(got)
                } else {
                    json.append(contentsOf: got)
                    guard json.count <= Self.longestAnswer else { throw Failure.malformedAnswer }
                }
            }
        }
        return json
    }

    /// A process that cannot confine itself exits within this time.
    private static let mostToConfine = Duration.seconds(5)

    /// Returns the error of adding a block to a file, or 0.
    private static func growing(_ file: Int32) -> Int32 {
        let end = lseek(file, 0, SEEK_END)
        return end < 0 ? errno : posix_fallocate(file, end, 4096)
    }

    /// An error of the machine rather than of a file.
    private var unconfined: DurableError {
        DurableError(
            operation: "confine", path: program, errno: ENOSYS,
            hint:
                "it reads files only after it has confined itself. The container or unit that the service runs in may forbid "
                + "the system calls seccomp, landlock_create_ruleset, landlock_add_rule and landlock_restrict_self, "
                + "or a limit of the service may be below those of the reader")
    }

    private func explain(_ failure: Failure, _ bytes: Int) -> String {
        let what: String
        switch failure {
        case .signal(SIGXCPU):
            what = "took more than \(limits.seconds(forBytes: bytes)) seconds of CPU time, which is the limit"
        case .signal(let number): what = "was ended by signal \(number) (\(String(cString: strsignal(number))))"
        case .status(let status): what = "failed with status \(status)"
        case .hung(let seconds): what = "did nothing for \(seconds) seconds"
        case .slow(let seconds): what = "took more than \(seconds) seconds"
        case .malformedAnswer: what = "gave no valid answer"
        }
        return "cannot be read: its reader, kantaibert-read, \(what); convert the file to plain text and put that here"
    }

    // MARK: Process

    private struct Child {
        let id: pid_t

        /// Kills the process and its children, and returns its status. A process that is exiting, which is what closes
        /// its pipes, keeps its own status; one that closed them to outlive its answer is killed.
        func end() -> Int32 {
            _ = kill(-id, SIGKILL)
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0, errno == EINTR {}
            return status
        }
    }

    private func start(
        _ request: ReaderRequest, _ descriptors: [ReaderRequest.Descriptor: Int32]
    ) throws -> Child {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First duplicated to numbers above all of them, so that no descriptor overwrites another one.
        let above = (descriptors.values + ReaderRequest.Descriptor.allCases.map(\.rawValue)).max()! + 1
        for (target, descriptor) in descriptors {
            posix_spawn_file_actions_adddup2(&actions, descriptor, above + target.rawValue)
        }
        for target in descriptors.keys {
            posix_spawn_file_actions_adddup2(&actions, above + target.rawValue, target.rawValue)
        }
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addclosefrom_np(&actions, ReaderRequest.Descriptor.scratch.rawValue + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        let json = String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [
            strdup("PATH=/usr/bin:/bin"), strdup("LC_ALL=C.UTF-8"),
            // Otherwise libarchive looks up the time zone for each member.
            strdup("TZ=UTC0"),
            // Not an argument, which every user of the machine can read.
            strdup("\(ReaderRequest.variable)=\(json)"), nil,
        ]
        defer { (arguments + environment).forEach { free($0) } }
        var id: pid_t = 0
        let cause = posix_spawn(&id, program, &actions, &attributes, &arguments, &environment)
        guard cause == 0 else {
            throw DurableError(
                operation: "run", path: program, errno: cause,
                hint: "it is installed beside kantaibertd and reads every file that is not plain UTF-8")
        }
        return Child(id: id)
    }
}

/// A pipe whose ends are closed with the last reference.
private final class Pipe {
    let reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw DurableError(operation: "pipe", path: "", errno: errno) }
        (reading, writing) = (ends[0], ends[1])
    }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    deinit {
        closeWriting()
        close(reading)
    }
}
