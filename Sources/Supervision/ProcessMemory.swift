import Durable
import Glibc

/// What `/proc` says of a process's memory.
enum ProcessMemory {
    /// Bytes in memory that are the process's own: what is mapped of files does not count, the kernel takes that back.
    /// - Returns: nil where there is no such process
    static func own(of process: pid_t) -> Int? {
        guard let text = try? Durable.read("/proc/\(process)/status") else { return nil }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasPrefix("RssAnon:") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
        }
        return nil
    }
}

/// What the kernel says of the control group that this process and its children are in.
enum MemoryEvents {
    /// Processes of the group that were ended because memory ran out, here or on the whole machine; 0 where the kernel does
    /// not say.
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
