import Crypto
import Digests
import Durable
import Glibc
import Jobs
import Kernels
import Models
import Tokenizers

/// The file `.checked` in a model directory, which records that the directory was opened completely by a separate
/// process.
///
/// It contains the versions of the checks and of the packed weights, the precision, and the SHA-256 of each file that
/// serving reads. If any byte of these files changes, the directory counts as unchecked.
package enum CheckedFile {
    private static let name = ".checked"
    private static let mostBytes = 4_096
    private static let files = [
        ModelDirectory.configurationFile, TrainingArguments.fileName, "tokenizer.json", "vocab.json", "merges.txt",
    ]

    /// Checks whether a directory is unchanged since it was checked. Blocks while the weights are hashed.
    /// - Returns: the SHA-256 of the weights, or nil if the current contents were not checked
    package static func modelSHA256(ofDirectory directory: String, _ precision: WeightPrecision) -> String? {
        guard let written = try? Durable.read("\(directory)/\(name)", atMost: mostBytes),
            // Without the packed file, opening would pack the weights, whose memory use is the reason for a separate
            // process.
            access(PackedFile.path(directory, precision), R_OK) == 0,
            // Validates the size first, so that a file of arbitrary size is not hashed.
            (try? ModelDirectory.open(directory)) != nil,
            let sha256 = try? SHA256.hash(ofFile: "\(directory)/\(ModelDirectory.weightsFile)").hexadecimal,
            let text = try? text(directory, precision, modelSHA256: sha256), written.elementsEqual(text.utf8)
        else { return nil }
        return sha256
    }

    /// Marks the directory of an engine as checked.
    package static func write(for engine: InferenceEngine) throws {
        let text = try text(engine.directory, engine.precision, modelSHA256: engine.modelSHA256)
        try Durable.write(text, to: "\(engine.directory)/\(name)")
    }

    private static func text(
        _ directory: String, _ precision: WeightPrecision, modelSHA256: String
    ) throws -> String {
        var text = """
            kantaibert checked \(ModelFolder.version), packed \(PackedLayout.version)
            precision \(precision.rawValue)
            \(modelSHA256) \(ModelDirectory.weightsFile)

            """
        for file in files {
            let path = "\(directory)/\(file)"
            guard access(path, F_OK) == 0 else { continue }
            var hash = SHA256()
            hash.update(data: try Durable.read(path, atMost: ByteLevelBPETokenizer.mostFileBytes))
            text += "\(hash.finalize().hexadecimal) \(file)\n"
        }
        return text
    }
}
