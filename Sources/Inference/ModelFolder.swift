import Durable
import Glibc
import Jobs
import Models
import Tokenizers

/// The validated contents of a model directory. This is the only place that decides whether a model can be served, for
/// our own generations and, once they are converted,
/// for imported models (`ForeignModelFolder`).
///
/// Reads only the small files and the header of the weights, and limits the size of every file before reading it.
/// `InferenceEngine` and `FiniteTensors` validate the weights themselves.
package struct ModelFolder: Sendable {
    package let configuration: RobertaConfiguration
    package let weights: SafetensorsFile
    package let tokenizer: ByteLevelBPETokenizer
    package let facts: TrainingFacts?

    /// Must be incremented when a check is added, so that directories checked by an older version are checked again.
    package static let version = 1

    /// The small files that are read, with the maximum size of each.
    package static let files: [(name: String, mostBytes: Int)] = [
        (ModelDirectory.configurationFile, ModelDirectory.mostConfigurationBytes),
        (TrainingArguments.fileName, TrainingArguments.largestFile),
        ("tokenizer.json", ByteLevelBPETokenizer.mostFileBytes), ("vocab.json", ByteLevelBPETokenizer.mostFileBytes),
        ("merges.txt", ByteLevelBPETokenizer.mostFileBytes), ("tokenizer_config.json", 1 << 24),
        ("special_tokens_map.json", 1 << 20), ("generation_config.json", 1 << 20), ("promotion.json", 1 << 20),
    ]

    /// - Throws: `InferenceError.load` with the path of the invalid file
    package init(_ directory: String) throws(InferenceError) {
        for (name, mostBytes) in Self.files + [(ModelDirectory.weightsFile, .max)] {
            try Self.requireFile("\(directory)/\(name)", mostBytes: mostBytes)
        }
        do throws(ModelError) {
            (configuration, weights) = try ModelDirectory.open(directory)
        } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        tokenizer = try Self.tokenizer(of: directory, rows: configuration.vocabSize)
        facts = try TrainingFacts.read(directory: directory, longestSequence: configuration.longestSequence)
    }

    /// Reads the tokenizer of a model whose embedding has `rows` rows.
    static func tokenizer(of directory: String, rows: Int) throws(InferenceError) -> ByteLevelBPETokenizer {
        let tokenizer: ByteLevelBPETokenizer
        do throws(TokenizerError) {
            tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        } catch {
            throw .load(path: directory, reason: error.description)
        }
        if let failureReason = tokenizer.failureReason(rows: rows) {
            throw .load(path: directory, reason: failureReason)
        }
        return tokenizer
    }

    /// Rejects a path that exists but is not a regular file (including symbolic links) or is too large.
    static func requireFile(_ path: String, mostBytes: Int) throws(InferenceError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .load(path: path, reason: "is not a regular file") }
        guard Int(status.st_size) <= mostBytes else {
            throw .load(path: path, reason: "has \(status.st_size) bytes, expected at most \(mostBytes)")
        }
    }
}
