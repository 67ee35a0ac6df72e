import Durable
import Glibc

/// The amount of memory that this process may use, and where the limit comes from.
package struct MemoryLimit: Equatable {
    package var bytes: Int
    /// Name of the limit's source, as a user would look it up.
    package var source: String

    /// Returns the lowest of the available memory, the limits of the process's control groups and its resource limits.
    /// - Parameters:
    ///   - given: limit passed on the command line, in bytes
    ///   - asksForFree: whether to include available memory, which changes as other processes use or release memory
    ///   - root: prefix for `/proc` and `/sys`, for tests
    package static func current(given: Int? = nil, asksForFree: Bool = true, root: String = "") -> MemoryLimit {
        let candidates =
            [
                given.map { MemoryLimit(bytes: $0, source: "training.memory_limit") },
                asksForFree ? available(root) : nil, addressSpace(RLIMIT_AS, "RLIMIT_AS"),
                addressSpace(RLIMIT_DATA, "RLIMIT_DATA"),
            ]
            .compactMap(\.self) + controlGroups(root)
        return candidates.min { $0.bytes < $1.bytes } ?? MemoryLimit(bytes: .max, source: "no limit")
    }

    /// Returns the share of each of several ranks on this machine.
    func share(ofRanks ranks: Int) -> MemoryLimit {
        ranks <= 1 ? self : MemoryLimit(bytes: bytes / ranks, source: "\(source), shared by \(ranks) ranks")
    }

    /// Returns the resident set size of this process in bytes.
    package static func resident(root: String = "") -> Int {
        let pages = text("\(root)/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    /// Returns the memory available without swapping, plus the memory that this process already uses.
    private static func available(_ root: String) -> MemoryLimit? {
        for line in text("\(root)/proc/meminfo").split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            guard let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
            return MemoryLimit(bytes: kilobytes * 1024 + resident(root: root), source: "free memory")
        }
        return nil
    }

    private static func addressSpace(_ resource: __rlimit_resource, _ name: String) -> MemoryLimit? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0, limit.rlim_cur < UInt64(Int.max) else {
            return nil
        }
        return MemoryLimit(bytes: Int(limit.rlim_cur), source: name)
    }

    /// Returns `memory.max` and `memory.high` of the unified hierarchy, for each group from this process's up to the
    /// root. Subtracts the anonymous memory of other processes in the group, because the service shares its group with
    /// its run.
    private static func controlGroups(_ root: String) -> [MemoryLimit] {
        let unified = text("\(root)/proc/self/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }
        guard var group = unified.map({ String($0.dropFirst(3)) }) else { return [] }
        var limits: [MemoryLimit] = []
        while true {
            let folder = "/sys/fs/cgroup\(group == "/" ? "" : group)"
            let others = max(0, anonymous(root + folder) - resident(root: root))
            for name in ["memory.max", "memory.high"] {
                let path = "\(folder)/\(name)"
                guard let bytes = Int(text(root + path).filter { !$0.isNewline }) else { continue }
                limits.append(MemoryLimit(bytes: max(0, bytes - others), source: path))
            }
            guard let slash = group.lastIndex(of: "/"), group != "/" else { return limits }
            group = slash == group.startIndex ? "/" : String(group[..<slash])
        }
    }

    /// Returns the anonymous memory of a group in bytes; 0 if it is not known.
    private static func anonymous(_ folder: String) -> Int {
        let line = text("\(folder)/memory.stat").split(separator: "\n").first { $0.hasPrefix("anon ") }
        return line.flatMap { Int($0.dropFirst(5)) } ?? 0
    }

    /// Returns the contents of a file, or an empty string if it cannot be read.
    private static func text(_ path: String) -> String {
        (try? Durable.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
