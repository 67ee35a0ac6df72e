import Durable
import Inference
import Interface
import Kernels
import Settings
import Supervision

/// Converts a model that was trained elsewhere: reads the files that transformers wrote, and writes a directory in the format
/// of our own training runs.
struct ModelImport {
    let model: ModelSettings
    let directory: StateDirectory
    /// Converts it in a separate process; nil converts it in this process.
    let process: ModelProcess?
    let precision: WeightPrecision

    /// - Returns: a temporary directory, which the caller publishes or removes, and how the model differs from the files
    ///   that it was read from
    /// - Throws: `ManagerInterface.ImportRefused` if it is not a usable model; `DurableError`
    func stage(from source: String) async throws -> (directory: String, differences: [String]) {
        try TemporaryName.clearLeftovers(in: directory.models)
        // Next to the model's directory, where no run removes temporary files.
        let aside = TemporaryName.beside(directory.model(model.name))
        let differences: [String]
        do {
            if let process {
                let finding = try await process.convert(
                    from: source, to: aside, objective: model.objective, precision: precision.rawValue)
                if let reason = finding.failureReason {
                    throw ManagerInterface.ImportRefused(directory: source, reason: reason)
                }
                differences = finding.differences
            } else {
                differences = try await Blocking.changes.run(for: nil) { [model] in
                    try ModelConversion.convert(from: source, to: aside, objective: model.objective)
                }
            }
        } catch {
            try? Durable.removeTree(aside)
            guard let refused = error as? InferenceError else { throw error }
            throw ManagerInterface.ImportRefused(directory: source, reason: refused.description)
        }
        return (aside, differences)
    }
}
