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

    /// Writes the model directory under a temporary name in the same folder and renames it.
    /// - Returns: the SHA-256 of `model.safetensors`
    func publish(_ model: RobertaModel, tokenizer: ByteLevelBPETokenizer, arguments: TrainingArguments) throws -> String
    {
        let parent = URL(filePath: job.outputDirectory).deletingLastPathComponent().path
        try Durable.makeDirectory(parent)
        try TemporaryName.clearLeftovers(in: parent)
        try Durable.publishDirectory(job.outputDirectory) { aside in
            try ModelDirectory.write(
                model, to: aside, endTokens: tokenizer.conversationMarkers.map { [$0.end] } ?? [])
            try tokenizer.save(directory: aside, modelMaxLength: arguments.longestPosition)
            try Durable.write(
                JobCoding.encode(arguments, pretty: true), to: "\(aside)/\(TrainingArguments.fileName)")
        }
        return try SHA256.hash(ofFile: "\(job.outputDirectory)/\(ModelDirectory.weightsFile)").hexadecimal
    }

    /// Returns the model that an earlier process of this run published without reporting it, or nil if there is none.
    /// - Throws: `JobError` if the output directory exists and is not this run's
    func alreadyPublished() throws -> RunEvent.Published? {
        guard access(job.outputDirectory, F_OK) == 0 else { return nil }
        func occupied(_ found: String) -> JobError {
            JobError(key: "output_directory", expected: "a path that does not exist", found: found)
        }
        let facts: TrainingFacts?
        do {
            facts = try TrainingFacts.read(directory: job.outputDirectory)
        } catch {
            throw occupied("\(error)")
        }
        guard let facts, let steps = facts.steps else {
            throw occupied("‘\(job.outputDirectory)’ without the facts of a run")
        }
        guard facts.run == job.run else { throw occupied("‘\(job.outputDirectory)’ of run ‘\(facts.run)’") }
        let model = try RobertaModel.load(directory: job.outputDirectory)
        return RunEvent.Published(
            step: steps, directory: job.outputDirectory,
            modelSha256: try SHA256.hash(ofFile: "\(job.outputDirectory)/\(ModelDirectory.weightsFile)").hexadecimal,
            parameters: model.parameters.layout.count, vocabSize: model.configuration.vocabSize,
            evaluation: facts.evaluation)
    }
}
