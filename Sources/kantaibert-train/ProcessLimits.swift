import ArgumentParser
import Glibc

/// Scheduling priority and resource limits of this process.
struct ProcessLimits: ParsableArguments {
    @Option(help: "Niceness, from 0 to 19; also selects the scheduling policy SCHED_BATCH.")
    var nice: Int32?

    @Option(help: "Value for oom_score_adj, from 0 to 1000; higher values make the kernel kill this process earlier.")
    var oomScoreAdjust: Int?

    @Option(help: "Memory limit in bytes; a run that needs more fails before it starts.")
    var memoryLimit: Int?

    @Option(help: "Disk space to keep free, in bytes; a run that would use it fails before it starts.")
    var diskReserve: Int = 0

    /// `SCHED_BATCH`, which Swift's Glibc module does not import.
    private static let batch: Int32 = 3

    func validate() throws {
        guard nice.map({ (0...19).contains($0) }) ?? true else { throw ValidationError("--nice: expected 0 to 19") }
        guard oomScoreAdjust.map({ (0...1000).contains($0) }) ?? true else {
            throw ValidationError("--oom-score-adjust: expected 0 to 1000")
        }
        guard memoryLimit.map({ $0 > 0 }) ?? true else { throw ValidationError("--memory-limit: expected more than 0") }
        guard diskReserve >= 0 else { throw ValidationError("--disk-reserve: expected at least 0") }
    }

    /// Applies the settings. Must be called before the first thread is started, because threads inherit them. No
    /// privileges are needed; if a sandbox forbids a call, the error is logged and the process continues.
    func apply() {
        if let nice {
            // Niceness is per thread, and libraries start threads before `main` begins.
            for thread in threads() {
                if setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread), nice) != 0 {
                    reportFailure("setpriority")
                }
                var parameters = sched_param()
                if sched_setscheduler(thread, ProcessLimits.batch, &parameters) != 0 {
                    reportFailure("sched_setscheduler")
                }
            }
        }
        if let oomScoreAdjust {
            let descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
            let text = Array("\(oomScoreAdjust)".utf8)
            if descriptor < 0 || write(descriptor, text, text.count) != text.count {
                reportFailure("/proc/self/oom_score_adj")
            }
            if descriptor >= 0 { close(descriptor) }
        }
    }

    private func threads() -> [pid_t] {
        guard let folder = opendir("/proc/self/task") else { return [0] }
        defer { closedir(folder) }
        var threads: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let thread = pid_t(name) { threads.append(thread) }
        }
        return threads.isEmpty ? [0] : threads
    }

    private func reportFailure(_ call: String) {
        say("\(call): \(String(cString: strerror(errno))); continuing without it")
    }
}
