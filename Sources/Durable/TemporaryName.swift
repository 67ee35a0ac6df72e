import Glibc
import Synchronization

/// The names of what is not finished yet: `.NAME.PID-START-N.tmp`, beside what it will become.
///
/// PID and START (the process's start, in the kernel's ticks since boot) say who writes it, so that what a killed
/// process left can be told from what a living one is writing, even where process ids come round again.
public enum TemporaryName {
    private static let serial = Atomic<UInt64>(0)
    private static let suffix = ".tmp"
    /// Bytes a file name may have on Linux.
    private static let longestName = 255

    /// A name in the folder of `path` that nobody else is given.
    public static func beside(_ path: String) -> String {
        let (folder, name) = splitPath(path)
        let number = serial.wrappingAdd(1, ordering: .relaxed).newValue
        let owner = ".\(getpid())-\(startTicks(of: getpid()) ?? 0)-\(number)\(suffix)"
        var kept = Substring(name)
        while kept.utf8.count > longestName - 1 - owner.utf8.count { kept.removeLast() }
        return joinPath(folder, ".\(kept)\(owner)")
    }

    /// Whether a file of this name was being written by a process that is gone.
    public static func isLeftover(_ name: String) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
        let owner = name.dropLast(suffix.count).split(separator: ".").last ?? ""
        let numbers = owner.split(separator: "-").map { UInt64($0) }
        guard numbers.count == 3, let pid = numbers[0].flatMap(pid_t.init(exactly:)), let start = numbers[1],
            numbers[2] != nil
        else { return false }
        return startTicks(of: pid) != start
    }

    /// Removes what dead writers left in a folder, files and trees; looks at no folder below it.
    /// - Returns: the names removed, for the log.
    @discardableResult
    public static func clearLeftovers(in directory: String) throws(DurableError) -> [String] {
        let leftovers = try names(in: directory).filter(isLeftover)
        for name in leftovers { try Durable.removeTree(joinPath(directory, name)) }
        return leftovers
    }

    /// Field 22 of `/proc/PID/stat`; null where there is no such process.
    private static func startTicks(of pid: pid_t) -> UInt64? {
        guard let bytes = try? Durable.read("/proc/\(pid)/stat") else { return nil }
        // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}
