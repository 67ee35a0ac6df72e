import Durable
import FoundationEssentials
import Inference
import Interface
import Jobs
import Models
import Tokenizers

/// A model that was trained elsewhere, on its way to be a generation: read as transformers wrote it, and written as our own
/// runs write theirs, into a folder aside.
struct ModelImport {
    let model: ModelSettings
    let directory: StateDirectory

    /// Blocks while it reads and writes the weights.
    /// - Returns: the folder aside, which is the caller's to publish or remove
    /// - Throws: `ManagerInterface.ImportRefused` where it is no such model; `DurableError`
    func stage(from source: String) throws -> String {
        do {
            let configuration = try ModelDirectory.configuration(of: source)
            guard configuration.isDecoder == (model.objective == .clm) else {
                throw refusal(
                    source,
                    configuration.isDecoder
                        ? "it is a causal model (is_decoder), and \(model.name) fills masks (objective: mlm)"
                        : "it fills masks, and \(model.name) continues text (objective: clm, is_decoder: true)")
            }
            let imported = try RobertaModel.importing(directory: source)
            let tokenizer = try ByteLevelBPETokenizer.load(directory: source)
            guard tokenizer.vocabularySize <= configuration.vocabSize else {
                throw refusal(
                    source,
                    "the tokenizer has \(tokenizer.vocabularySize) tokens, the embedding \(configuration.vocabSize) rows"
                )
            }
            return try write(imported, tokenizer, from: source)
        } catch let error as ModelError {
            throw refusal(source, error.description)
        } catch let error as TokenizerError {
            throw refusal(source, error.description)
        }
    }

    private func write(_ imported: RobertaModel, _ tokenizer: ByteLevelBPETokenizer, from source: String) throws
        -> String
    {
        try TemporaryName.clearLeftovers(in: directory.models)
        // Beside the models' folders, where no run clears up.
        let aside = TemporaryName.beside(directory.model(model.name))
        do {
            try Durable.makeDirectory(aside)
            try ModelDirectory.write(imported, to: aside)
            try tokenizer.save(directory: aside, modelMaxLength: imported.configuration.maxPositionEmbeddings - 2)
            // What one of our own models was made of goes with it; anything else has no such file.
            if let facts = try? Durable.read("\(source)/training_args.json"),
                (try? JobCoding.decode(TrainingFacts.self, from: Data(facts))) != nil
            {
                try Durable.write(facts, to: "\(aside)/training_args.json")
            }
        } catch {
            try? Durable.removeTree(aside)
            throw error
        }
        return aside
    }

    private func refusal(_ source: String, _ reason: String) -> ManagerInterface.ImportRefused {
        ManagerInterface.ImportRefused(directory: source, reason: reason)
    }
}
