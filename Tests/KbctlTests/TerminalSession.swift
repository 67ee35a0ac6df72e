import FoundationEssentials
import Glibc
import Testing

/// A `kbctl` process on a pseudoterminal, which a test reads from and types on.
final class TerminalSession {
    private let master: Int32
    private let pid: pid_t
    private var isReaped = false
    /// Everything printed so far.
    private(set) var output = ""
    private var unread = ""

    init(_ arguments: [String], socket: String, columns: UInt16 = 80, rows: UInt16 = 24) throws {
        let (master, name) = try Self.openTerminal(columns: columns, rows: rows)
        self.master = master
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal opened by a session leader becomes its controlling terminal: Ctrl-C then sends SIGINT.
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Test threads may block signals, and a shell ignores SIGINT in background jobs; a child process would inherit
        // both.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        posix_spawnattr_setsigdefault(&attributes, &interrupt)
        let newSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, which Swift cannot see
        posix_spawnattr_setflags(
            &attributes, newSession | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        var words = ([KbctlProcess.path] + arguments).map { strdup($0) } + [nil]
        let variables = ["KANTAIBERT_SOCKET=\(socket)", "TZ=UTC", "TERM=xterm-256color", "NO_COLOR=1"]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for word in words + environment { free(word) } }
        var pid: pid_t = 0
        try #require(posix_spawn(&pid, KbctlProcess.path, &actions, &attributes, &words, &environment) == 0)
        self.pid = pid
    }

    deinit {
        close(master)
        guard !isReaped else { return }
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// Waits until `text` is printed after the text of the previous call.
    func expect(_ text: String, within seconds: Int = 300, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
        while ContinuousClock.now < deadline {
            if let range = unread.firstRange(of: text) {
                unread = String(unread[range.upperBound...])
                return
            }
            guard read(for: 200) else { break }
        }
        Issue.record("‘\(text)’ is not in ‘\(unread)’ of ‘\(output)’", sourceLocation: sourceLocation)
        throw CancellationError()
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// Waits for kbctl to exit.
    /// - Returns: the exit status; −1 if a signal killed it
    func end() -> Int32 {
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while ContinuousClock.now < deadline, read(for: 200) {}
        if ContinuousClock.now >= deadline { kill(pid, SIGKILL) }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        isReaped = true
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }

    /// - Returns: false if the other end is closed
    private func read(for milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) > 0 else { return true }
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(master, &piece, piece.count)
        guard count > 0 else { return false }
        let text = String(decoding: piece[..<count], as: UTF8.self)
        output += text
        unread += text
        return true
    }

    private static func openTerminal(columns: UInt16, rows: UInt16) throws -> (master: Int32, name: String) {
        // Swift cannot see glibc's `posix_openpt` family: TIOCSPTLCK unlocks the terminal, TIOCGPTN returns its number.
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        var locked: Int32 = 0
        var number: Int32 = 0
        try #require(ioctl(master, 0x4004_5431, &locked) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
        return (master, "/dev/pts/\(number)")
    }
}
