import Durable
import Glibc
import Synchronization
import TextReading

/// A program that converts its standard input to text on its standard output.
///
/// The sandbox does not let this process signal another one. The program ends on its own when its pipes are closed or
/// when it reaches its limit for CPU time. All programs together get as much as this process may use itself, so that
/// those that hang do not use up the time in which the whole file has to be read.
struct ChildProcess {
    enum Status {
        case exited(Int32)
        case signaled(Int32)
        /// It neither read nor wrote anything for `idleSeconds`.
        case silent
    }

    struct End {
        var status: Status
        /// The beginning of what it wrote to standard error.
        var messages: String
    }

    /// Time without any input or output after which the program is considered hung.
    static let idleSeconds = 50
    private static let longestMessages = 4096
    private static let pieceBytes = 64 << 10

    /// Total seconds spent waiting for programs that hung.
    private static let idled = Mutex(0)

    private let process: pid_t
    private let input: Int32
    private let output: Int32
    private let errors: Int32

    /// Returns the CPU time, in seconds, that is left for programs; nil if there is no limit.
    static func secondsLeft() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit) == 0,
            let most = Int(exactly: limit.rlim_cur), most < Int.max / 2
        else { return nil }
        var used = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &used)
        return max(0, most - used.ru_utime.tv_sec - used.ru_stime.tv_sec - idled.withLock { $0 })
    }

    /// Starts a program.
    /// - Parameter seconds: its limit for CPU time; at most `secondsLeft`
    /// - Throws: `RejectionError` if it cannot be started
    init(_ program: String, arguments: [String], seconds: Int) throws {
        var ends: [Int32] = []
        func pipeEnds() throws -> (read: Int32, write: Int32) {
            var pair: [Int32] = [0, 0]
            guard pipe(&pair) == 0 else { throw Self.cannotStart(errno) }
            ends += pair
            pair.forEach { _ = fcntl($0, F_SETFD, FD_CLOEXEC) }
            return (pair[0], pair[1])
        }
        do {
            let (input, output, errors) = (try pipeEnds(), try pipeEnds(), try pipeEnds())
            process = try Self.spawn(
                Self.limited(seconds) + [program] + arguments, standard: [input.read, output.write, errors.write])
            (self.input, self.output, self.errors) = (input.write, output.read, errors.read)
            [input.read, output.write, errors.write].forEach { close($0) }
        } catch {
            ends.forEach { close($0) }
            throw error
        }
        for end in [input, output, errors] {
            let flags = fcntl(end, F_GETFL)
            _ = fcntl(end, F_SETFL, flags | O_NONBLOCK)
        }
    }

    /// Returns the command that runs the command after it with a limit for CPU time. `posix_spawn` cannot set limits,
    /// and limits of this process would apply not only to its children.
    private static func limited(_ seconds: Int) -> [String] {
        ["/bin/sh", "-c", "ulimit -S -t \(seconds) && ulimit -H -t \(seconds + 1) && exec \"$0\" \"$@\""]
    }

    private static func spawn(_ command: [String], standard: [Int32]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, end) in standard.enumerated() { posix_spawn_file_actions_adddup2(&actions, end, Int32(target)) }
        // These are not closed on execution, because this process inherited them.
        for own in [ReaderRequest.Descriptor.answer, .scratch] {
            posix_spawn_file_actions_addclose(&actions, own.rawValue)
        }
        // Limits and closed pipes must end it, regardless of how this thread handles signals.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGXCPU, SIGPIPE] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("LC_ALL=C.UTF-8"), nil]
        defer { (arguments + environment).forEach { free($0) } }
        var process = pid_t()
        let cause = posix_spawn(&process, command[0], &actions, &attributes, &arguments, &environment)
        guard cause == 0 else { throw cannotStart(cause) }
        return process
    }

    private static func cannotStart(_ cause: Int32) -> RejectionError {
        RejectionError("cannot be converted: \(String(cString: strerror(cause)))")
    }

    /// Passes a region to the program and its output to `take`, until the program ends.
    func run(input region: FileRegion, _ take: (UnsafeRawBufferPointer) throws -> Void) throws -> End {
        let ignored = signal(SIGPIPE, SIG_IGN)
        defer { signal(SIGPIPE, ignored) }
        var feed = Feed(region: region)
        var polled = [
            pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
        ]
        defer { for entry in polled where entry.fd >= 0 { close(entry.fd) } }
        func finish(_ index: Int) {
            close(polled[index].fd)
            polled[index].fd = -1
        }
        var messages: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { buffer.deallocate() }
        while polled[1].fd >= 0 || polled[2].fd >= 0 {
            let ready = retrying { Int(poll(&polled, 3, Int32(Self.idleSeconds * 1000))) }
            guard ready > 0 else {
                Self.idled.withLock { $0 += Self.idleSeconds }
                return End(status: .silent, messages: "")
            }
            if polled[0].fd >= 0, polled[0].revents != 0, try !feed.write(to: input) { finish(0) }
            for index in 1...2 where polled[index].fd >= 0 && polled[index].revents != 0 {
                let count = retrying { Glibc.read(polled[index].fd, buffer.baseAddress, buffer.count) }
                if count < 0, errno == EAGAIN { continue }
                guard count > 0 else {
                    finish(index)
                    continue
                }
                let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                if index == 1 {
                    try take(piece)
                } else {
                    messages.append(contentsOf: piece.prefix(max(0, Self.longestMessages - messages.count)))
                }
            }
        }
        return End(status: wait(), messages: String(decoding: messages, as: UTF8.self))
    }

    private func wait() -> Status {
        var status: Int32 = 0
        guard retrying({ Int(waitpid(process, &status, 0)) }) == Int(process) else { return .exited(-1) }
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .signaled(signal)
    }

    /// What is still to be written to the program.
    private struct Feed {
        let region: FileRegion
        private var position = 0
        private var piece = [UInt8](repeating: 0, count: ChildProcess.pieceBytes)
        private var range = 0..<0

        init(region: FileRegion) { self.region = region }

        /// Writes as much as the pipe takes.
        /// - Returns: false at the end, or if the program does not read any more
        mutating func write(to descriptor: Int32) throws -> Bool {
            if range.isEmpty {
                let count = try piece.withUnsafeMutableBytes { try region.read(at: position, into: $0) }
                if count == 0 { return false }
                position += count
                range = 0..<count
            }
            let count = piece.withUnsafeBytes { bytes in
                retrying { Glibc.write(descriptor, bytes.baseAddress! + range.lowerBound, range.count) }
            }
            if count < 0 { return errno == EAGAIN }
            range = range.lowerBound + count..<range.upperBound
            return true
        }
    }
}
