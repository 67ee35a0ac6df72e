import Crypto
import Digests
import Durable
import Glibc
import Kernels
import Models
import Tokenizers

/// That a model directory has been opened whole once, by a process that was there for it alone: the file `.checked` in it.
///
/// It names what was looked at and with what: the versions of the checks and of the packed weights, the precision, and the
/// SHA-256 of each file that serving reads. Any other byte in them, and the directory counts as one nobody has looked at.
package enum CheckedFile {
    private static let name = ".checked"
    private static let mostBytes = 4_096
    private static let files = [
        ModelDirectory.configurationFile, TrainingFacts.file, "tokenizer.json", "vocab.json", "merges.txt",
    ]

    /// Looks whether a directory is as it was when it was checked. Blocks while it hashes the weights.
    /// - Returns: the SHA-256 of the weights; nil where nobody has checked what lies there
    package static func modelSHA256(ofDirectory directory: String, _ precision: WeightPrecision) -> String? {
        guard let written = try? Durable.read("\(directory)/\(name)", atMost: mostBytes),
            // Packing takes the memory that the other process is there for.
            access(PackedFile.path(directory, precision), R_OK) == 0,
            // What is no model any more is not hashed: it may be of any size.
            (try? ModelDirectory.open(directory)) != nil,
            let sha256 = try? SHA256.hash(ofFile: "\(directory)/\(ModelDirectory.weightsFile)").hexadecimal,
            let text = try? text(directory, precision, modelSHA256: sha256), written.elementsEqual(text.utf8)
        else { return nil }
        return sha256
    }

    /// Notes that the directory of an engine has been checked.
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
