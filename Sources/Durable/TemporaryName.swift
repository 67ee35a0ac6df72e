import Glibc
import Synchronization

/// Names of incomplete files: `.NAME.PID-START-N.tmp`, in the directory of the final file.
///
/// PID and START (start time of the process in clock ticks since boot) identify the writer, so that leftovers of a
/// killed process can be distinguished from files that are being written, even if process IDs are reused.
public enum TemporaryName {
    private static let serial = Atomic<UInt64>(0)
    private static let suffix = ".tmp"
    /// Maximum length in bytes of a file name on Linux.
    private static let longestName = 255

    /// Returns a unique name in the directory of `path`.
    public static func beside(_ path: String) -> String {
        let (folder, name) = splitPath(path)
        let number = serial.wrappingAdd(1, ordering: .relaxed).newValue
        let owner = ".\(ownMark())-\(number)\(suffix)"
        var kept = Substring(name)
        while kept.utf8.count > longestName - 1 - owner.utf8.count { kept.removeLast() }
        return joinPath(folder, ".\(kept)\(owner)")
    }

    /// The process id for which `mark` was made, which differs after a fork, and `PID-START`.
    private static let own = Mutex<(pid: pid_t, mark: String)>((0, ""))

    /// Returns `PID-START` of this process.
    private static func ownMark() -> String {
        own.withLock { own in
            let pid = getpid()
            if own.pid != pid { own = (pid, "\(pid)-\(startTicks(of: pid) ?? 0)") }
            return own.mark
        }
    }

    /// Whether the name belongs to a process that no longer exists.
    public static func isLeftover(_ name: String) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
        let owner = name.dropLast(suffix.count).split(separator: ".").last ?? ""
        let numbers = owner.split(separator: "-").map { UInt64($0) }
        guard numbers.count == 3, let pid = numbers[0].flatMap(pid_t.init(exactly:)), let start = numbers[1],
            numbers[2] != nil
        else { return false }
        return startTicks(of: pid) != start
    }

    /// Removes the files and trees that dead processes left in a directory. Does not descend into subdirectories.
    /// - Returns: the removed names, for the log
    @discardableResult
    public static func clearLeftovers(in directory: String) throws(DurableError) -> [String] {
        let leftovers = try names(in: directory).filter(isLeftover)
        for name in leftovers { try Durable.removeTree(joinPath(directory, name)) }
        return leftovers
    }

    /// Returns field 22 of `/proc/PID/stat`, or nil if the process does not exist.
    private static func startTicks(of pid: pid_t) -> UInt64? {
        guard let bytes = try? Durable.read("/proc/\(pid)/stat") else { return nil }
        // The second field is the program name in parentheses, which may itself contain spaces and parentheses.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}
