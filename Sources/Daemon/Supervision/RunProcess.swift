import FoundationEssentials
import Jobs
import Subprocess
import SystemPackage

/// One life of a `kantaibert-train` process.
struct RunProcess: Sendable {
    /// How the process ended.
    struct Ending: Sendable {
        var cause: Cause
        /// The last lines it wrote to its standard error.
        var lastLines: [String]
    }

    enum Cause: Sendable, Equatable, CustomStringConvertible {
        case status(Int)
        case signal(Int)
        /// It could not be started.
        case notStarted(String)

        var description: String {
            switch self {
            case .status(let status): "status \(status)"
            case .signal(let signal): "signal \(signal)"
            case .notStarted(let reason): "not started: \(reason)"
            }
        }
    }

    var program: String
    var job: String
    /// How long the process may take to leave once it is told to.
    var stopSeconds: Double

    /// Starts the process and returns when it is gone.
    /// - Parameters:
    ///   - leave: when open, standard input is closed, which the run takes as "checkpoint and leave"
    ///   - onLine: gets each event in order, or the line that is none
    func run(leave: Latch, onLine: @escaping @Sendable (Result<RunEvent, NotAnEvent>) async -> Void) async -> Ending {
        var options = PlatformOptions()
        // Ctrl-C on a terminal goes to a whole process group; this process alone is to hear it and close the pipe.
        options.processGroupID = 0
        let tail = LineTail(limit: 20)
        do {
            let result = try await Subprocess.run(
                .path(FilePath(program)), arguments: ["run", job], platformOptions: options, input: .inputWriter,
                output: .sequence, error: .sequence
            ) { execution in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        await leave.wait()
                        guard leave.isOpen else { return }
                        // Where the process is gone already, both have nothing left to do.
                        try? await execution.standardInputWriter.finish()
                        guard (try? await Task.sleep(for: .seconds(stopSeconds))) != nil else { return }
                        try? execution.send(signal: .kill)
                    }
                    async let lastLines: Void = {
                        for try await line in execution.standardError.strings() { tail.append(line) }
                    }()
                    for try await line in execution.standardOutput.strings() {
                        guard !line.allSatisfy(\.isWhitespace) else { continue }
                        await onLine(NotAnEvent.decode(line))
                    }
                    try await lastLines
                    group.cancelAll()
                }
            }
            switch result.terminationStatus {
            case .exited(let status): return Ending(cause: .status(Int(status)), lastLines: tail.lines)
            case .signaled(let signal): return Ending(cause: .signal(Int(signal)), lastLines: tail.lines)
            }
        } catch {
            return Ending(cause: .notStarted("\(program): \(error)"), lastLines: tail.lines)
        }
    }
}

/// A line of a run's output that is no event.
package struct NotAnEvent: Error, CustomStringConvertible {
    package var line: String
    package var reason: String

    static func decode(_ line: String) -> Result<RunEvent, NotAnEvent> {
        do {
            return .success(try JobCoding.decode(RunEvent.self, from: Data(line.utf8)))
        } catch {
            return .failure(NotAnEvent(line: String(line.prefix(200)), reason: "\(error)"))
        }
    }

    package var description: String { "‘\(line)’ is not an event: \(reason)" }
}
