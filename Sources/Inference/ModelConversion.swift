import Durable
import FoundationEssentials
import Jobs
import Models
import Tokenizers

/// Writes a model that was trained elsewhere as our own runs write theirs.
package enum ModelConversion {
    /// Reads a directory as transformers wrote it, and writes its model into a new one. Blocks meanwhile.
    /// - Parameters:
    ///   - destination: must not exist; what was written stays there where this throws
    ///   - objective: what the model has to be able to do
    /// - Throws: `InferenceError.load` where it is no such model; `DurableError`
    package static func convert(from source: String, to destination: String, objective: Objective) throws {
        let folder = try ModelFolder(source, isForeign: true)
        guard folder.configuration.isDecoder == (objective == .clm) else {
            throw InferenceError.load(
                path: source,
                reason: folder.configuration.isDecoder
                    ? "it is a causal model (is_decoder), and the one it is for fills masks (objective: mlm)"
                    : "it fills masks, and the one it is for continues text (objective: clm, is_decoder: true)")
        }
        do {
            let model = try RobertaModel.importing(directory: source)
            try Durable.makeDirectory(destination)
            try ModelDirectory.write(model, to: destination)
            try folder.tokenizer.save(directory: destination, modelMaxLength: model.configuration.longestSequence)
        } catch let error as ModelError {
            throw InferenceError.load(path: error.path, reason: error.reason)
        }
        // What one of our own models was made of goes with it; anything else has no such file.
        if folder.facts != nil {
            let facts = try Durable.read("\(source)/\(TrainingFacts.file)", atMost: TrainingFacts.mostBytes)
            try Durable.write(facts, to: "\(destination)/\(TrainingFacts.file)")
        }
    }
}
