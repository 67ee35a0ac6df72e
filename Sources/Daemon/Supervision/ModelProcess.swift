import Durable
import Glibc
import Inference
import Interface
import Jobs
import Kernels
import Synchronization

/// Has model directories opened for the first time by `kantaibert-train`, a process with limits of its own: what a crafted
/// one can bring down, or use up, is that process.
struct ModelProcess: Sendable {
    /// The path of `kantaibert-train`.
    let program: String
    /// Of one process. It says nothing before it is done, so that its silence is its time.
    var mostSeconds = 900.0

    /// Has a generation's directory checked, and packed for serving.
    /// - Throws: `InferenceError.load` where it cannot be served; `DurableError` where the process cannot be started
    func check(_ directory: String, _ precision: WeightPrecision) async throws {
        let flaw = try await run(["check", directory, "--precision", precision.rawValue])
        if let flaw { throw InferenceError.load(path: directory, reason: flaw) }
    }

    /// Has what was trained elsewhere written as a generation's directory, checked and packed.
    /// - Throws: `ManagerInterface.ImportRefused` where it cannot be served; `DurableError` where the process cannot be started
    func convert(
        from source: String, to destination: String, objective: Objective, _ precision: WeightPrecision
    ) async throws {
        let flaw = try await run([
            "convert", source, destination, "--objective", objective.rawValue, "--precision", precision.rawValue,
        ])
        if let flaw { throw ManagerInterface.ImportRefused(directory: source, reason: flaw) }
    }

    /// - Returns: why it is of no use; nil where all went well
    private func run(_ arguments: [String]) async throws -> String? {
        var death: String?
        // Whoever kills a process of ours once has not shown that the model is to blame.
        for _ in 0..<2 {
            let said = Mutex<String?>(nil)
            let process = RunProcess(
                program: program, arguments: arguments, stopSeconds: 1, stallSeconds: mostSeconds, memoryLimit: nil)
            let ending = await process.run(leave: Latch()) { line in
                guard case .success(let event) = line, case .failed(let failed) = event.payload else { return }
                said.withLock { $0 = failed.message }
            }
            switch ending.cause {
            case .status(0): return nil
            case .status(let status):
                return Self.bounded(said.withLock { $0 } ?? Self.describe("status \(status)", ending.lastLines))
            case .stalled(let seconds):
                return "the process that opened it was not done after \(Wording.duration(seconds))"
            case .notStarted(let reason):
                throw DurableError(operation: "start", path: program, errno: ENOEXEC, hint: Self.bounded(reason))
            case .signal, .outOfMemory, .tookTooMuch: death = Self.describe("\(ending.cause)", ending.lastLines)
            }
        }
        return death
    }

    private static func describe(_ cause: String, _ lastLines: [String]) -> String {
        let lines = lastLines.suffix(3).map { String($0.prefix(200)) }.joined(separator: " | ")
        return bounded("the process that opened it ended: \(cause)\(lines.isEmpty ? "" : " (\(lines))")")
    }

    private static func bounded(_ reason: String) -> String { String(reason.prefix(1_000)) }
}
