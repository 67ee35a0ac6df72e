import CFiles
import Durable
import FoundationEssentials
import Glibc
import TextReading

/// Runs `kantaibert-read` on one file.
struct ReaderProcess {
    let program: String
    let limits: ReaderLimits

    /// The reader did not answer, which is the file's fault or that of a library.
    private enum Failure: Error {
        case signal(Int32)
        case status(Int32)
        case hung(seconds: Int)
        case malformedAnswer
    }

    private static let pieceBytes = 64 << 10
    private static let longestAnswer = 256 << 10
    /// How often cancellation and time limits are checked, in milliseconds.
    private static let pollMilliseconds: Int32 = 500

    /// Converts a file to text.
    /// - Parameters:
    ///   - scratch: an empty file without a name that is open for reading and writing
    ///   - take: receives the pieces of the text
    /// - Throws: `RejectionError`, `ReadingInterrupted`, `DurableError` if no process can be started, and errors thrown
    ///   by `take`
    func read(
        _ file: Int32, name: String, bytes: Int, options: ReadingOptions, scratch: Int32,
        isCancelled: () -> Bool, take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> ReadingReport {
        let request = ReaderRequest(name: name, bytes: bytes, options: options, limits: limits)
        guard lseek(file, 0, SEEK_SET) == 0 else { throw DurableError(operation: "lseek", path: name, errno: errno) }
        let (text, answer) = (try Pipe(), try Pipe())
        let process = try start(
            request, [.file: file, .text: text.writing, .answer: answer.writing, .scratch: scratch])
        text.closeWriting()
        answer.closeWriting()
        do {
            let json = try collect(text.reading, answer.reading, bytes, isCancelled, take)
            let status = process.wait()
            guard status & 0x7F == 0 else { throw Failure.signal(status & 0x7F) }
            guard status == 0 else { throw Failure.status(status >> 8 & 0xFF) }
            guard let answer = try? JSONDecoder().decode(ReaderAnswer.self, from: Data(json)) else {
                throw Failure.malformedAnswer
            }
            switch answer {
            case .read(let report): return report
            case .rejected(let reason): throw RejectionError(reason)
            }
        } catch let failure as Failure {
            process.kill()
            throw RejectionError(explain(failure, bytes))
        } catch {
            process.kill()
            throw error
        }
    }

    /// Passes on the text and returns the answer.
    private func collect(
        _ text: Int32, _ answer: Int32, _ bytes: Int, _ isCancelled: () -> Bool,
        _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> [UInt8] {
        var json: [UInt8] = []
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        var polled = [
            pollfd(fd: text, events: Int16(POLLIN), revents: 0), pollfd(fd: answer, events: Int16(POLLIN), revents: 0),
        ]
        // A process that computes without output ends by its limit for CPU time.
        let mostIdle = max(limits.idleSeconds, 2 * limits.seconds(forBytes: bytes))
        var lastOutput = ContinuousClock.now
        while polled.contains(where: { $0.fd >= 0 }) {
            if isCancelled() { throw ReadingInterrupted() }
            guard ContinuousClock.now - lastOutput < .seconds(mostIdle) else { throw Failure.hung(seconds: mostIdle) }
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

    private func explain(_ failure: Failure, _ bytes: Int) -> String {
        let what: String
        switch failure {
        case .signal(SIGXCPU):
            what = "took more than \(limits.seconds(forBytes: bytes)) seconds of CPU time, which is the limit"
        case .signal(let number): what = "was ended by signal \(number) (\(String(cString: strsignal(number))))"
        case .status(let status): what = "failed with status \(status)"
        case .hung(let seconds): what = "did nothing for \(seconds) seconds"
        case .malformedAnswer: what = "gave no valid answer"
        }
        return "cannot be read: its reader, kantaibert-read, \(what); convert the file to plain text and put that here"
    }

    // MARK: Process

    private struct Child {
        let id: pid_t

        /// Waits for the end and returns the status.
        func wait() -> Int32 {
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0, errno == EINTR {}
            return status
        }

        /// Ends the process and the children it may have.
        func kill() {
            _ = Glibc.kill(-id, SIGKILL)
            _ = Glibc.kill(id, SIGKILL)
            _ = wait()
        }
    }

    private func start(
        _ request: ReaderRequest, _ descriptors: [ReaderRequest.Descriptor: Int32]
    ) throws -> Child {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First to numbers that are not used in the child, so that no descriptor overwrites another one.
        for (target, descriptor) in descriptors {
            posix_spawn_file_actions_adddup2(&actions, descriptor, target.rawValue + 64)
        }
        for target in descriptors.keys {
            posix_spawn_file_actions_adddup2(&actions, target.rawValue + 64, target.rawValue)
            posix_spawn_file_actions_addclose(&actions, target.rawValue + 64)
        }
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
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
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(json), nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [
            strdup("PATH=/usr/bin:/bin"), strdup("LC_ALL=C.UTF-8"),
            // Otherwise libarchive looks up the time zone for each member.
            strdup("TZ=UTC0"), nil,
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
