import Durable
import Formatting
import FoundationEssentials
import Glibc
import Inference
import Interface
import Jobs
import Kernels
import Settings

/// Checks the machine and the state directory for `kbctl doctor`.
package struct Diagnostics: Sendable {
    typealias Check = ManagerInterface.Check

    let settings: Settings
    let directory: StateDirectory
    /// The models that serve, with the precision of their weights.
    let serving: [(name: String, generation: Int, precision: String)]

    /// Runs all checks.
    func all(speed: MachineSpeed) -> [Check] {
        [blas(), kernels()] + speed.checks + [precision(), disk(), inbox()] + settings.models.map { model($0.name) }
    }

    private func blas() -> Check {
        Self.blas(
            MachineRates.blas, core: MachineRates.blasCore, isUsed: !MachineRates.hasOwnFloat32,
            cpuFlags: MachineSpeed.cpuFlags)
    }

    /// OpenBLAS chooses kernels by the model of the CPU. One that it does not know gets those of an old CPU, which can be many
    /// times slower.
    /// - Parameters:
    ///   - core: the CPU type that OpenBLAS selected its kernels for
    ///   - isUsed: whether products run on BLAS
    ///   - cpuFlags: as /proc/cpuinfo names them
    package static func blas(
        _ description: String, core: String, isUsed: Bool, cpuFlags: Set<String>
    ) -> ManagerInterface.Check {
        let core = core.lowercased()
        let found = withSSE.contains(core) ? "SSE" : withAVX.contains(core) ? "AVX" : nil
        let best = [("avx512f", "SkylakeX"), ("avx2", "Haswell"), ("avx", "Sandybridge")].first {
            cpuFlags.contains($0.0)
        }
        guard let found, let best, found == "SSE" || best.0 != "avx" else {
            return Check(
                name: "blas", state: .ok, finding: description + (isUsed ? "" : "; not used for products on this CPU"))
        }
        let finding = "\(description), which use \(found) only"
        guard isUsed else {
            return Check(
                name: "blas", state: .ok,
                finding:
                    "\(finding): slow on this CPU, which has no effect, because the built-in kernels are used instead")
        }
        return Check(
            name: "blas", state: .warning, finding: "\(finding), several times slower than this CPU can be",
            advice:
                "set OPENBLAS_CORETYPE=\(best.1) in the environment of the service: sudo systemctl edit kantaibertd, "
                + "Environment=OPENBLAS_CORETYPE=\(best.1) under [Service], then sudo systemctl restart kantaibertd")
    }

    /// OpenBLAS's types of x86-64 CPUs whose kernels have no AVX, in lower case.
    private static let withSSE: Set = [
        "prescott", "core2", "penryn", "dunnington", "nehalem", "atom", "opteron", "opteron_sse3", "barcelona",
        "bobcat",
        "nano", "generic", "northwood", "katmai", "coppermine", "banias",
    ]
    /// Those whose kernels have AVX but not AVX2.
    private static let withAVX: Set = ["sandybridge", "bulldozer", "piledriver", "steamroller"]

    /// The rates on which `precision: auto` depends. Measures them if no run has.
    private func precision() -> Check {
        var notes: [String] = []
        let rates = MachineProfile.current(file: directory.machine) { notes.append($0) }.rates
        func giga(_ rate: Double) -> String { MessageFormat.fixed(rate / 1e9, 0) }
        let list = [
            "float32 \(giga(rates.float32)) GFLOP/s", rates.bfloat16.map { "bfloat16 \(giga($0)) GFLOP/s" },
            rates.int8.map { "int8 \(giga($0)) GOP/s" },
        ].compactMap(\.self).joined(separator: ", ")
        let finding =
            "auto trains in \(rates.fastestPrecision.rawValue): \(rates.reason); instructions on one core: \(list), "
            + "measured once for this CPU"
        guard notes.isEmpty else {
            return Check(
                name: "precision", state: .warning, finding: ([finding] + notes).joined(separator: "; "),
                advice: "check that \(directory.machine) is a file that the service's user can write")
        }
        return Check(name: "precision", state: .ok, finding: finding)
    }

    private func kernels() -> Check {
        let threads = "\(MachineRates.threads) threads"
        if let limit = MachineRates.levelLimit {
            return Check(
                name: "kernels", state: .warning, finding: "limited to \(limit) by KANTAIBERT_CPU_LEVEL, \(threads)",
                advice: "remove the variable, which is for tests, from the service's environment")
        }
        guard MachineRates.hasOwnFloat32 else {
            return Check(
                name: "kernels", state: .warning, finding: "matrix products by BLAS only, \(threads)",
                advice: "the built-in kernels need AVX2; without it, serving.precision: float32 is fastest")
        }
        let own = [
            MachineRates.hasAVX512 ? "float32 (AVX-512)" : "float32 (AVX2)", Precision.hasBFloat16 ? "bfloat16" : nil,
            MachineRates.hasInt8 ? "int8" : "int8 (AVX2)",
        ].compactMap(\.self)
        return Check(
            name: "kernels", state: .ok, finding: "built-in kernels for \(own.joined(separator: ", ")), \(threads)")
    }

    private func disk() -> Check {
        let free: Int
        let total: Int
        do {
            (free, total) = try FreeSpace.at(directory.root)
        } catch {
            return Check(
                name: "disk", state: .warning, finding: "\(error)",
                advice: "check that it is mounted and belongs to the service's user")
        }
        let reserve = settings.retention.reserve(ofTotal: total)
        let finding =
            "\(MessageFormat.bytes(free)) free under \(directory.root), of which "
            + "\(MessageFormat.bytes(reserve)) are reserved (retention.reserve)"
        let largest =
            reserve
            + (settings.models.map { DiskEstimate(architecture: $0.architecture, recipe: $0.recipe).bytes }.max() ?? 0)
        guard free < largest else { return Check(name: "disk", state: .ok, finding: finding) }
        return Check(
            name: "disk", state: .warning, finding: finding,
            advice:
                "a run of the largest model writes up to \(MessageFormat.bytes(largest - reserve)): free "
                + "space or lower save_total_limit")
    }

    private func inbox() -> Check {
        let folders = [directory.inbox] + settings.models.map { directory.inbox(of: $0.name) }
        // Under /var/lib, the inbox is shared with the group; elsewhere it is private to its owner.
        let isShared = directory.root.hasPrefix("/var/lib/")
        for folder in folders {
            var status = stat()
            guard stat(folder, &status) == 0, access(folder, R_OK | W_OK | X_OK) == 0 else {
                return Check(
                    name: "inbox", state: .warning, finding: "\(folder): \(String(cString: strerror(errno)))",
                    advice: "run sudo systemd-tmpfiles --create, or give the directory to the service's user")
            }
            guard !isShared || status.st_mode & 0o020 != 0 else {
                return Check(
                    name: "inbox", state: .warning, finding: "\(folder) is not writable by its group",
                    advice: "run chmod g+rwxs,+t \(folder)")
            }
        }
        return Check(
            name: "inbox", state: .ok, finding: "\(directory.inbox) and its directories are readable and writable")
    }

    private func model(_ name: String) -> Check {
        if let serving = serving.first(where: { $0.name == name }) {
            return Check(
                name: name, state: .ok,
                finding: "generation \(serving.generation) serves, weights in \(serving.precision)")
        }
        guard let damaged = directory.currentGeneration(of: name) else {
            return Check(
                name: name, state: .warning, finding: "has no generation yet",
                advice: "put a text file into \(directory.inbox); kbctl watch shows the progress")
        }
        return Check(
            name: name, state: .warning, finding: "generation \(damaged) cannot be loaded",
            advice: "see the log for the reason; kbctl generations \(name) lists others to promote")
    }
}
