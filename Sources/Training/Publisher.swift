import Crypto
import Digests
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Models
import Tokenizers

/// Puts a finished model where the job wants it: whole, by a rename, or not at all.
struct Publisher {
    let job: Job
    private static let argumentsFile = "training_args.json"

    /// Writes the model directory aside, in the same folder, and gives it its name.
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

    /// What this very run has published already, before it was stopped from saying so; nil where nothing is there.
    /// - Throws: `JobError` where something else is there
    func alreadyPublished() throws -> RunEvent.Published? {
        guard access(job.outputDirectory, F_OK) == 0 else { return nil }
        let arguments: TrainingArguments
        do {
            let json = try Durable.read("\(job.outputDirectory)/\(Publisher.argumentsFile)", atMost: 1 << 24)
            arguments = try JobCoding.decode(TrainingArguments.self, from: Data(json))
        } catch {
            throw JobError(key: "output_directory", expected: "a place where nothing is", found: "\(error)")
        }
        guard arguments.run == job.run else {
            throw JobError(
                key: "output_directory", expected: "a place where nothing is",
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
