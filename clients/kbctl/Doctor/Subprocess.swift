import Glibc

/// Runs other programs and waits for them to exit.
enum Subprocess {
    /// Returns the standard output of a program; nil if it cannot be started or fails.
    static func output(_ arguments: [String]) -> String? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        for end in ends { posix_spawn_file_actions_addclose(&actions, end) }
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let isStarted = posix_spawnp(&pid, arguments[0], &actions, nil, &words, environ) == 0
        close(ends[1])
        defer { close(ends[0]) }
        guard isStarted else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(ends[0], &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return status(of: pid) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// Runs a program with this process's standard input, output and error.
    /// - Returns: the exit status; nil if the program cannot be started or was killed by a signal
    static func run(_ arguments: [String]) -> Int32? {
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        guard posix_spawnp(&pid, arguments[0], nil, nil, &words, environ) == 0 else { return nil }
        return status(of: pid)
    }

    private static func status(of pid: pid_t) -> Int32? {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { return nil }
        }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : nil
    }
}
