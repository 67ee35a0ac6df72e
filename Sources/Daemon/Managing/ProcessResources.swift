import FoundationEssentials
import Glibc
import Varlink

/// Resource usage of the service's process, for `GetStatus`.
enum ProcessResources {
    static func now() -> [String: JSONValue] {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let cpuSeconds =
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        return [
            "pid": .int(Int(getpid())),
            // Linux reports kilobytes.
            "peak_rss_bytes": .int(usage.ru_maxrss * 1024),
            "cpu_seconds": .double(cpuSeconds),
            "processors": .int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
        ]
    }
}
