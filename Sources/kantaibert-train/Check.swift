import ArgumentParser
import Glibc
import Inference
import Jobs
import Kernels

extension WeightPrecision: ExpressibleByArgument {}
extension Objective: ExpressibleByArgument {}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Opens a model directory as the service does.",
        discussion: """
            Every number of its files is checked, and every weight; it is packed for serving and answers a text. The service \
            has this done before it opens what nobody has opened yet, in a process that has limits of memory, time and \
            files, and whose end is not the service's.

            Exit status: 0 it can be served, 65 it cannot, and an event `failed` says why.
            """)

    @Argument(help: "The model directory.", completion: .directory)
    var directory: String

    @Option(help: "What it is packed for: \(WeightPrecision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision: WeightPrecision?

    func run() throws {
        ModelLimits(directory: directory).assume()
        try withReason { try check(directory, precision ?? .fitting) }
    }
}

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a model directory of transformers as the service keeps its own, and checks it.",
        discussion: """
            The service has this done with what is imported, as it has what nobody has opened yet checked.

            Exit status: 0 it can be served, 65 it cannot, and an event `failed` says why.
            """)

    @Argument(help: "A directory as save_pretrained writes it.", completion: .directory)
    var source: String

    @Argument(help: "A new directory.", completion: .directory)
    var destination: String

    @Option(help: "What the model has to be able to do: mlm or clm.")
    var objective: Objective

    @Option(help: "What it is packed for: \(WeightPrecision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision: WeightPrecision?

    func run() throws {
        ModelLimits(directory: source).assume()
        try withReason {
            try ModelConversion.convert(from: source, to: destination, objective: objective)
            try check(destination, precision ?? .fitting)
        }
    }
}

private func check(_ directory: String, _ precision: WeightPrecision) throws {
    let engine = try InferenceEngine(directory: directory, precision: precision)
    try engine.requireFiniteAnswer()
    // Where neither can be kept beside the model, it is checked again the next time, and serves all the same.
    do { try CheckedFile.write(for: engine) } catch { say("\(error)") }
}

/// Says why something could not be done, as an event and for people.
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
