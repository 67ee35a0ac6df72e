import Crypto
import Digests
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Models
import Tokenizers

/// Publishes a finished model at the job's output directory, atomically by a rename.
struct Publisher {
    let job: Job
    private static let argumentsFile = "training_args.json"

    /// Writes the model directory under a temporary name in the same folder and renames it.
    /// - Returns: the SHA-256 of `model.safetensors`
    func publish(_ model: RobertaModel, tokenizer: ByteLevelBPETokenizer, arguments: TrainingArguments) throws -> String
    {
        let parent = URL(filePath: job.outputDirectory).deletingLastPathComponent().path
        try Durable.makeDirectory(parent)
        try TemporaryName.clearLeftovers(in: parent)
        try Durable.publishDirectory(job.outputDirectory) { aside in
            try ModelDirectory.write(model, to: aside)
            try tokenizer.save(directory: aside, modelMaxLength: job.architecture.maxPositionEmbeddings - 2)
            try Durable.write(
                JobCoding.encode(arguments, pretty: true), to: "\(aside)/\(Publisher.argumentsFile)")
        }
        return try SHA256.hash(ofFile: "\(job.outputDirectory)/\(ModelDirectory.weightsFile)").hexadecimal
    }

    /// Returns the model if this run already published it, before it was stopped; nil if the output directory does not
    /// exist.
    /// - Throws: `JobError` if the output directory contains something else
    func alreadyPublished() throws -> RunEvent.Published? {
        guard access(job.outputDirectory, F_OK) == 0 else { return nil }
        let arguments: TrainingArguments
        do {
            let json = try Durable.read("\(job.outputDirectory)/\(Publisher.argumentsFile)", atMost: 1 << 24)
            arguments = try JobCoding.decode(TrainingArguments.self, from: Data(json))
        } catch {
            throw JobError(key: "output_directory", expected: "a path that does not exist", found: "\(error)")
        }
        guard arguments.run == job.run else {
            throw JobError(
                key: "output_directory", expected: "a path that does not exist",
                found: "‘\(job.outputDirectory)’ of run ‘\(arguments.run)’")
        }
        let model = try RobertaModel.load(directory: job.outputDirectory)
        return RunEvent.Published(
            step: arguments.steps, directory: job.outputDirectory,
            modelSha256: try SHA256.hash(ofFile: "\(job.outputDirectory)/\(ModelDirectory.weightsFile)").hexadecimal,
            parameters: model.parameters.layout.count, vocabSize: model.configuration.vocabSize,
            evaluation: arguments.evaluation)
    }
}
