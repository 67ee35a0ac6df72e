import Durable
import Inference
import Interface
import Kernels
import Supervision

/// A model that was trained elsewhere, on its way to be a generation: read as transformers wrote it, and written as our own
/// runs write theirs, into a folder aside.
struct ModelImport {
    let model: ModelSettings
    let directory: StateDirectory
    /// Reads it; nil reads it in this process.
    let process: ModelProcess?
    let precision: WeightPrecision

    /// - Returns: the folder aside, which is the caller's to publish or remove
    /// - Throws: `ManagerInterface.ImportRefused` where it is no such model; `DurableError`
    func stage(from source: String) async throws -> String {
        try TemporaryName.clearLeftovers(in: directory.models)
        // Beside the models' folders, where no run clears up.
        let aside = TemporaryName.beside(directory.model(model.name))
        do {
            if let process {
                let reason = try await process.convert(
                    from: source, to: aside, objective: model.objective, precision: precision.rawValue)
                if let reason { throw ManagerInterface.ImportRefused(directory: source, reason: reason) }
            } else {
                try await Blocking.changes.run(for: nil) { [model] in
                    try ModelConversion.convert(from: source, to: aside, objective: model.objective)
                }
            }
        } catch {
            try? Durable.removeTree(aside)
            guard let refused = error as? InferenceError else { throw error }
            throw ManagerInterface.ImportRefused(directory: source, reason: refused.description)
        }
        return aside
    }
}
