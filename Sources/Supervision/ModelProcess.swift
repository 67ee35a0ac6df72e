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
        try await run(["check", directory, "--precision", precision]).failureReason
    }

    /// The result of opening a model.
    package struct Finding: Sendable {
        /// Why the model cannot be served, or nil if it can.
        package var failureReason: String?
        /// How a converted model differs from the files that it was read from.
        package var differences: [String] = []

        fileprivate static let mostDifferences = 8
    }

    /// Writes a model that was trained elsewhere as a generation's directory, checks it and packs its weights.
    /// - Throws: `DurableError` if the process cannot be started
    package func convert(
        from source: String, to destination: String, objective: Objective, precision: String
    ) async throws(DurableError) -> Finding {
        try await run(["convert", source, destination, "--objective", objective.rawValue, "--precision", precision])
    }

    /// Runs the program, and once more if it is killed, because a single kill may have an external cause.
    private func run(_ arguments: [String]) async throws(DurableError) -> Finding {
        var death: String?
        for _ in 0..<2 {
            let said = Mutex(Finding())
            let process = RunProcess(
                program: program, arguments: arguments, stopSeconds: 1, stallSeconds: timeoutSeconds, memoryLimit: nil)
            let ending = await process.run(leave: Latch()) { line in
                guard case .success(let event) = line else { return }
                switch event.payload {
                case .failed(let failed): said.withLock { $0.failureReason = Self.bounded(failed.message) }
                case .converted(let converted):
                    let differences = converted.differences.prefix(Finding.mostDifferences).map(Self.bounded)
                    said.withLock { $0.differences = differences }
                default: break
                }
            }
            switch ending.cause {
            case .status(0): return Finding(differences: said.withLock { $0.differences })
            case .status(let status):
                let reason = said.withLock { $0.failureReason }
                return Finding(failureReason: reason ?? Self.describe("status \(status)", ending.lastLines))
            case .stalled(let seconds):
                return Finding(
                    failureReason: "the process that opened it did not finish within \(MessageFormat.duration(seconds))"
                )
            case .notStarted(let reason):
                throw DurableError(operation: "start", path: program, errno: ENOEXEC, hint: Self.bounded(reason))
            case .signal, .outOfMemory, .tookTooMuch, .readTooLong:
                death = Self.describe("\(ending.cause)", ending.lastLines)
            }
        }
        return Finding(failureReason: death)
    }

    private static func describe(_ cause: String, _ lastLines: [String]) -> String {
        let lines = lastLines.suffix(3).map { String($0.prefix(200)) }.joined(separator: " | ")
        return bounded("the process that opened it died: \(cause)\(lines.isEmpty ? "" : " (\(lines))")")
    }

    private static func bounded(_ reason: String) -> String { String(reason.prefix(1_000)) }
}
