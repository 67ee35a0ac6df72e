import ArgumentParser
import Glibc

/// What this process may take of the machine while others want it too.
struct Standing: ParsableArguments {
    @Option(help: "Niceness, from 0 to 19; the scheduler then takes the process for batch work.")
    var nice: Int32?

    @Option(help: "How much sooner than others the kernel ends this process when memory runs out, from 0 to 1000.")
    var oomScoreAdjust: Int?

    @Option(help: "Bytes of memory the process may take; what needs more is refused before it begins.")
    var memoryLimit: Int?

    @Option(help: "Bytes of the disk that stay free; a run that would write into them is refused before it begins.")
    var diskReserve: Int = 0

    /// `SCHED_BATCH`, which the module of the C library leaves out.
    private static let batch: Int32 = 3

    func validate() throws {
        guard nice.map({ (0...19).contains($0) }) ?? true else { throw ValidationError("--nice: from 0 to 19") }
        guard oomScoreAdjust.map({ (0...1000).contains($0) }) ?? true else {
            throw ValidationError("--oom-score-adjust: from 0 to 1000")
        }
        guard memoryLimit.map({ $0 > 0 }) ?? true else { throw ValidationError("--memory-limit: more than 0") }
        guard diskReserve >= 0 else { throw ValidationError("--disk-reserve: at least 0") }
    }

    /// Takes the place. Before the first thread is started: they inherit it. Nothing here needs a privilege; what a sandbox
    /// forbids all the same is told, and the work goes on without.
    func assume() {
        if let nice {
            // Libraries have threads of their own before `main` begins, and each thread has its own niceness.
            for thread in threads() {
                if setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread), nice) != 0 {
                    complain("setpriority")
                }
                var parameters = sched_param()
                if sched_setscheduler(thread, Standing.batch, &parameters) != 0 { complain("sched_setscheduler") }
            }
        }
        if let oomScoreAdjust {
            let descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
            let text = Array("\(oomScoreAdjust)".utf8)
            if descriptor < 0 || write(descriptor, text, text.count) != text.count {
                complain("/proc/self/oom_score_adj")
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

    private func complain(_ call: String) {
        say("\(call): \(String(cString: strerror(errno))); going on without it")
    }
}
