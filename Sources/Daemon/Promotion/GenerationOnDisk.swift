import Crypto
import Digests
import FoundationEssentials
import Jobs
import Models
import Database

extension StateDirectory {
    /// What a generation's directory says of it.
    /// - Parameter modelSha256: of its weights, where it is known; else they are read for it
    /// - Throws: `ModelError`, `DurableError` or `TrainingFacts.Malformed` if it cannot be read
    func record(
        ofGeneration number: Int, of model: String, state: GenerationRecord.State, modelSha256: String? = nil
    ) throws -> GenerationRecord {
        let directory = generation(number, of: model)
        let weights = "\(directory)/\(ModelDirectory.weightsFile)"
        // What its size should be is known before its weights are read.
        let (configuration, _) = try ModelDirectory.open(directory)
        let facts = try TrainingFacts.read(directory: directory)
        let made = try GenerationTime.ensure(in: directory) {
            try FileManager.default.attributesOfItem(atPath: weights)[.modificationDate] as? Date ?? Date()
        }
        var record = GenerationRecord(
            model: model, number: number, run: facts?.run ?? "", state: state,
            modelSha256: try modelSha256 ?? SHA256.hash(ofFile: weights).hexadecimal,
            parameters: ParameterLayout(configuration).count,
            vocabSize: configuration.vocabSize, evaluationLoss: facts?.evaluation?.loss,
            bitsPerByte: facts?.evaluation?.bitsPerByte, created: made)
        record.take(PromotionVerdict.read(directory))
        return record
    }
}

extension GenerationRecord {
    /// What was found at the gate.
    mutating func take(_ verdict: PromotionVerdict?) {
        judgedBitsPerByte = verdict?.judgedBitsPerByte
        incumbent = verdict?.incumbent
        incumbentBitsPerByte = verdict?.incumbentBitsPerByte
        reason = verdict?.reason
    }
}
