import Durable
import Glibc
import Models
import Tokenizers

/// What a model directory holds, every number of it and how they go together checked: the one place that decides what can be
/// served, for imports and for generations of our own.
///
/// Costs no more than the small files: of the weights it looks at the header alone, and no file is read whose size was not
/// bounded before. `InferenceEngine` and `FiniteTensors` look at the weights themselves.
package struct ModelFolder: Sendable {
    package let configuration: RobertaConfiguration
    package let weights: SafetensorsFile
    package let tokenizer: ByteLevelBPETokenizer
    package let facts: TrainingFacts?

    /// Goes up when something is checked that was not before: what passed an older one is looked at again.
    package static let version = 1

    /// The small files that are read, and how many bytes of each at most.
    package static let files: [(name: String, mostBytes: Int)] = [
        (ModelDirectory.configurationFile, ModelDirectory.mostConfigurationBytes),
        (TrainingFacts.file, TrainingFacts.mostBytes),
        ("tokenizer.json", ByteLevelBPETokenizer.mostFileBytes), ("vocab.json", ByteLevelBPETokenizer.mostFileBytes),
        ("merges.txt", ByteLevelBPETokenizer.mostFileBytes), ("tokenizer_config.json", 1 << 24),
        ("special_tokens_map.json", 1 << 20), ("generation_config.json", 1 << 20), ("promotion.json", 1 << 20),
    ]

    /// - Parameter isForeign: whether something else may have written it, and a `training_args.json` that is none of ours too
    /// - Throws: `InferenceError.load` with the file at fault
    package init(_ directory: String, isForeign: Bool = false) throws(InferenceError) {
        for (name, mostBytes) in Self.files + [(ModelDirectory.weightsFile, .max)] {
            try Self.requireFile("\(directory)/\(name)", mostBytes: mostBytes)
        }
        do throws(ModelError) {
            (configuration, weights) = try ModelDirectory.open(directory)
        } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        do throws(TokenizerError) {
            tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        } catch {
            throw .load(path: directory, reason: error.description)
        }
        if let flaw = tokenizer.flaw(rows: configuration.vocabSize) { throw .load(path: directory, reason: flaw) }
        if isForeign, (try? TrainingFacts.read(directory: directory)) == nil {
            facts = nil
        } else {
            facts = try TrainingFacts.read(directory: directory, longestSequence: configuration.longestSequence)
        }
    }

    /// Refuses what is there and is no file, a link to one among it, or is too large.
    private static func requireFile(_ path: String, mostBytes: Int) throws(InferenceError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .load(path: path, reason: "is not a regular file") }
        guard Int(status.st_size) <= mostBytes else {
            throw .load(path: path, reason: "is \(status.st_size) bytes, expected at most \(mostBytes)")
        }
    }
}
