import Durable
import FoundationEssentials
import Jobs
import Models
import Tokenizers

/// Converts a model that was trained by other software to the form that our own runs write.
package enum ModelConversion {
    /// Reads a model directory written by transformers, and writes the model to a new directory. Blocks.
    /// - Parameters:
    ///   - destination: must not exist; partial output remains there if this function throws
    ///   - objective: the objective that the model must have
    /// - Returns: how the model differs from the files that it was read from, one sentence each
    /// - Throws: `InferenceError.load` if the model is invalid or has another objective; `DurableError`
    @discardableResult
    package static func convert(
        from source: String, to destination: String, objective: Objective
    ) throws -> [String] {
        let folder = try ForeignModelFolder(source)
        guard folder.configuration.isDecoder == (objective == .clm) else {
            throw InferenceError.load(
                path: source,
                reason: folder.configuration.isDecoder
                    ? "is a causal model (is_decoder: true), but the target model has objective mlm"
                    : "is a masked language model, but the target model has objective clm (is_decoder: true)")
        }
        do {
            let model = try RobertaModel.importing(folder.weights)
            try Durable.makeDirectory(destination)
            try ModelDirectory.write(model, to: destination)
            try folder.tokenizer.save(
                directory: destination,
                modelMaxLength: folder.facts?.longestPosition ?? model.configuration.longestSequence)
        } catch let error as ModelError {
            throw InferenceError.load(path: error.path, reason: error.reason)
        }
        // Preserves the training facts of our own models. Other models have none.
        if folder.facts != nil {
            let file = TrainingArguments.fileName
            let facts = try Durable.read("\(source)/\(file)", atMost: TrainingArguments.largestFile)
            try Durable.write(facts, to: "\(destination)/\(file)")
        }
        return folder.weights.differences
    }
}
