import ArgumentParser
import Glibc
import Inference
import Jobs
import Kernels

extension WeightPrecision: ExpressibleByArgument {}
extension Objective: ExpressibleByArgument {}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that a model directory can be served.",
        discussion: """
            Validates the files and all weights, packs the model for serving and runs it on a short text. The service \
            runs this command before it opens a new model, so that a damaged or malicious model cannot crash the \
            service; the process has limits for memory, time and files.

            Exit status: 0 the model can be served, 65 it cannot; an event `failed` contains the reason.
            """)

    @Argument(help: "The model directory.", completion: .directory)
    var directory: String

    @Option(help: "Precision to pack for: \(WeightPrecision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision: WeightPrecision?

    func run() throws {
        ModelLimits(directory: directory).apply()
        try withReason {
            try check(directory, precision ?? PrecisionChoice(rates: .ofThisProcess, measured: nil).precision)
        }
    }
}

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Converts a transformers model directory to the service's format and checks it.",
        discussion: """
            The service runs this command to import a model, with the same limits as `check`.

            Exit status: 0 the model can be served, 65 it cannot; an event `failed` contains the reason, and an \
            event `converted` says what was changed.
            """)

    @Argument(help: "A model directory written by save_pretrained.", completion: .directory)
    var source: String

    @Argument(help: "The directory to create.", completion: .directory)
    var destination: String

    @Option(help: "The model's objective: mlm or clm.")
    var objective: Objective

    @Option(help: "Precision to pack for: \(WeightPrecision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision: WeightPrecision?

    func run() throws {
        ModelLimits(directory: source).apply()
        try withReason {
            let differences = try ModelConversion.convert(from: source, to: destination, objective: objective)
            EventOutput {}.write(.converted(.init(differences: differences)))
            try check(destination, precision ?? PrecisionChoice(rates: .ofThisProcess, measured: nil).precision)
        }
    }
}

private func check(_ directory: String, _ precision: WeightPrecision) throws {
    let engine = try InferenceEngine(directory: directory, precision: precision)
    try engine.requireFiniteAnswer()
    // If the result cannot be stored next to the model, the model can still be served; it is checked again next time.
    do { try CheckedFile.write(for: engine) } catch { say("\(error)") }
}

/// Reports an error as a `failed` event and on standard error.
private func withReason(_ work: () throws -> Void) throws {
    let output = EventOutput {}
    do {
        try work()
    } catch {
        output.write(.failed(.init(message: "\(error)")))
        say("\(error)")
        throw ExitCode(EX_DATAERR)
    }
}
