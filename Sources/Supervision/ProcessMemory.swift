import Durable
import Glibc

/// The memory of a process, as `/proc` reports it.
enum ProcessMemory {
    /// Returns the bytes of private resident memory. Mapped files do not count, since the kernel can reclaim them.
    /// - Returns: nil if there is no such process
    static func own(of process: pid_t) -> Int? {
        guard let text = try? Durable.read("/proc/\(process)/status") else { return nil }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasPrefix("RssAnon:") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
        }
        return nil
    }
}

/// The memory events of the control group of this process and its children.
enum MemoryEvents {
    /// Returns how many processes of the group were killed because memory ran out, in the group or on the whole machine; 0 if
    /// the kernel does not report it.
    static func kills() -> Int {
        guard let groups = try? Durable.read("/proc/self/cgroup"),
            let group = String(decoding: groups, as: UTF8.self).split(separator: "\n").first(where: {
                $0.hasPrefix("0::")
            }),
            let text = try? Durable.read("/sys/fs/cgroup\(group.dropFirst(3))/memory.events")
        else { return 0 }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasPrefix("oom_kill ") {
            return Int(line.dropFirst("oom_kill ".count)) ?? 0
        }
        return 0
    }
}
