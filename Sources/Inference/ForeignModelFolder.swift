import Durable
import Jobs
import FoundationEssentials
import Models
import Tokenizers

/// The validated contents of a model directory that other software wrote.
package struct ForeignModelFolder {
    package let weights: ForeignWeights
    package let tokenizer: ByteLevelBPETokenizer
    /// Present if the directory is an export of a model trained here.
    package let facts: TrainingFacts?

    package var configuration: RobertaConfiguration { weights.configuration }

    /// - Throws: `InferenceError.load` with the path of the invalid file
    package init(_ directory: String) throws(InferenceError) {
        let files = ModelFolder.files + [(ForeignWeights.indexFile, .max)] + Self.weightFiles(in: directory)
        for (name, mostBytes) in files {
            try ModelFolder.requireFile("\(directory)/\(name)", mostBytes: mostBytes)
            try Self.refusePointer("\(directory)/\(name)")
        }
        do throws(ModelError) { weights = try ForeignWeights(directory: directory) } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        let configuration = weights.configuration
        tokenizer = try ModelFolder.tokenizer(of: directory, rows: configuration.vocabSize)
        // Other software may have a file of this name.
        facts =
            (try? TrainingFacts.read(directory: directory)) == nil
            ? nil : try TrainingFacts.read(directory: directory, longestSequence: configuration.longestSequence)
    }

    /// The files with weights, without a maximum size.
    package static func weightFiles(in directory: String) -> [(name: String, mostBytes: Int)] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
            .filter { $0.hasSuffix(".safetensors") }.sorted().map { ($0, .max) }
    }

    private static let pointer = Array("version https://git-lfs.github.com/spec/".utf8)
    private static let mostPointerBytes = 1_024

    /// Rejects the text that Git LFS leaves in the place of a large file.
    private static func refusePointer(_ path: String) throws(InferenceError) {
        guard let text = try? Durable.read(path, atMost: mostPointerBytes), text.starts(with: pointer) else { return }
        throw .load(
            path: path,
            reason: "is a Git LFS pointer of \(text.count) bytes, not the file itself: run ‘git lfs pull’ in the "
                + "repository, or download the file")
    }
}
