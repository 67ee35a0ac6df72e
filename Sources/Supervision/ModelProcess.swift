import AsyncSupport
import Durable
import Formatting
import Glibc
import Jobs
import Synchronization

/// Opens model directories for the first time in a `kantaibert-train` process with resource limits of its own, so that a
/// crafted model can crash or exhaust only that process.
package struct ModelProcess: Sendable {
    /// The path of `kantaibert-train`.
    private let program: String
    /// How long one process may run. It prints nothing until it is done, so this is also the limit on the time without
    /// output.
    private let timeoutSeconds = 900.0

    package init(program: String) { self.program = program }

    /// Checks a generation's directory and packs its weights for serving.
    /// - Parameter precision: the name of the precision to pack the weights in
    /// - Returns: why the directory cannot be served, or nil if it can
    /// - Throws: `DurableError` if the process cannot be started
    package func check(_ directory: String, precision: String) async throws(DurableError) -> String? {
        try await run(["check", directory, "--precision", precision])
    }

    /// Writes a model that was trained elsewhere as a generation's directory, checks it and packs its weights.
    /// - Returns: why the model cannot be served, or nil if it can
    /// - Throws: `DurableError` if the process cannot be started
    package func convert(
        from source: String, to destination: String, objective: Objective, precision: String
    ) async throws(DurableError) -> String? {
        try await run(["convert", source, destination, "--objective", objective.rawValue, "--precision", precision])
    }

    /// Runs the program, and once more if it is killed, because a single kill may have an external cause.
    /// - Returns: why the model cannot be served, or nil if it can
    private func run(_ arguments: [String]) async throws(DurableError) -> String? {
        var death: String?
        for _ in 0..<2 {
            let said = Mutex<String?>(nil)
            let process = RunProcess(
                program: program, arguments: arguments, stopSeconds: 1, stallSeconds: timeoutSeconds, memoryLimit: nil)
            let ending = await process.run(leave: Latch()) { line in
                guard case .success(let event) = line, case .failed(let failed) = event.payload else { return }
                said.withLock { $0 = failed.message }
            }
            switch ending.cause {
            case .status(0): return nil
            case .status(let status):
                return Self.bounded(said.withLock { $0 } ?? Self.describe("status \(status)", ending.lastLines))
            case .stalled(let seconds):
                return "the process that opened it did not finish within \(MessageFormat.duration(seconds))"
            case .notStarted(let reason):
                throw DurableError(operation: "start", path: program, errno: ENOEXEC, hint: Self.bounded(reason))
            case .signal, .outOfMemory, .tookTooMuch, .readTooLong:
                death = Self.describe("\(ending.cause)", ending.lastLines)
            }
        }
        return death
    }

    private static func describe(_ cause: String, _ lastLines: [String]) -> String {
        let lines = lastLines.suffix(3).map { String($0.prefix(200)) }.joined(separator: " | ")
        return bounded("the process that opened it died: \(cause)\(lines.isEmpty ? "" : " (\(lines))")")
    }

    private static func bounded(_ reason: String) -> String { String(reason.prefix(1_000)) }
}
