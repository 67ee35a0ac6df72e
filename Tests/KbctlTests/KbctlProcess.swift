import FoundationEssentials
import Glibc
import Testing

/// Runs the real `kbctl`, from the directory where the tests were built.
enum KbctlProcess {
    static let path = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "kbctl").path
    static let isBuilt = access(path, X_OK) == 0

    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    enum Input {
        /// At most as much as a pipe holds.
        case bytes([UInt8])
        case file(String)

        fileprivate func open() throws -> Int32 {
            switch self {
            case .file(let path):
                let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
                try #require(descriptor >= 0)
                return descriptor
            case .bytes(let bytes):
                let pipe = try FilePair.pipe()
                try #require(write(pipe.theirs, bytes, bytes.count) == bytes.count)
                close(pipe.theirs)
                return pipe.ours
            }
        }
    }

    /// Runs kbctl and waits for it to exit.
    ///
    /// - Parameters:
    ///   - columns: width of the terminal that is its standard output and error; nil uses pipes
    ///   - input: its standard input: text, or the contents of a file
    ///   - program: a copy of kbctl
    ///   - variables: added to its environment
    static func run(
        _ arguments: [String], socket: String, columns: UInt16? = nil, input: Input = .bytes([]),
        program: String = path, variables: [String] = []
    ) throws -> Result {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let errors = try columns.map(FilePair.terminal) ?? FilePair.pipe()
        let output = try columns.map(FilePair.terminal) ?? FilePair.pipe()
        let read = try input.open()
        defer { close(read) }
        posix_spawn_file_actions_adddup2(&actions, read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.theirs, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.theirs, STDERR_FILENO)
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        var environment = (["KANTAIBERT_SOCKET=\(socket)", "TZ=UTC"] + variables).map { strdup($0) } + [nil]
        defer { for word in words + environment { free(word) } }
        var pid: pid_t = 0
        try #require(posix_spawn(&pid, program, &actions, nil, &words, &environment) == 0)
        let printed = output.readToEnd()
        let complained = errors.readToEnd()
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return Result(status: status & 0x7f == 0 ? status >> 8 & 0xff : -1, output: printed, errors: complained)
    }
}

/// A pair of descriptors: one that the child writes to, one to read from.
private struct FilePair {
    let ours: Int32
    let theirs: Int32

    static func pipe() throws -> FilePair {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        return closingOnExec(ends[0], ends[1])
    }

    static func terminal(columns: UInt16) throws -> FilePair {
        // Swift cannot see glibc's `posix_openpt` family: TIOCSPTLCK unlocks the terminal, TIOCGPTN returns its number.
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(master >= 0)
        var locked: Int32 = 0
        var number: Int32 = 0
        try #require(ioctl(master, 0x4004_5431, &locked) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
        let name = "/dev/pts/\(number)"
        let slave = open(name, O_RDWR | O_NOCTTY)
        try #require(slave >= 0)
        return closingOnExec(master, slave)
    }

    /// Sets close-on-exec, so that no child of another test inherits the descriptors.
    private static func closingOnExec(_ ours: Int32, _ theirs: Int32) -> FilePair {
        for descriptor in [ours, theirs] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return FilePair(ours: ours, theirs: theirs)
    }

    /// Reads everything the child writes, with a terminal's line ends converted to `\n`.
    func readToEnd() -> String {
        close(theirs)
        defer { close(ours) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        // Reading a terminal whose other end is closed is an error; reading such a pipe returns 0.
        while case let count = read(ours, &piece, piece.count), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n")
    }
}

extension String {
    fileprivate func replacing(_ old: String, with new: String) -> String {
        var result = ""
        var rest = self[...]
        while !rest.isEmpty {
            if rest.unicodeScalars.starts(with: old.unicodeScalars) {
                result += new
                rest = Substring(rest.unicodeScalars.dropFirst(old.unicodeScalars.count))
            } else {
                result.unicodeScalars.append(rest.unicodeScalars.first!)
                rest = Substring(rest.unicodeScalars.dropFirst())
            }
        }
        return result
    }
}
