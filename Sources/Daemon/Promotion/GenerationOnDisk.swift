import Crypto
import Digests
import FoundationEssentials
import Jobs
import Models
import Database

extension StateDirectory {
    /// Creates the record of a generation from its directory.
    /// - Parameter modelSha256: SHA-256 of its weights; nil computes it
    /// - Throws: `ModelError`, `DurableError` or `TrainingFacts.Malformed` if it cannot be read
    func record(
        ofGeneration number: Int, of model: String, state: GenerationRecord.State, modelSha256: String? = nil
    ) throws -> GenerationRecord {
        let directory = generation(number, of: model)
        let weights = "\(directory)/\(ModelDirectory.weightsFile)"
        // The configuration determines the size of the weights, so it is checked before they are read.
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
        record.take(MeasuredPrecisions.read(directory: directory))
        return record
    }
}

extension GenerationRecord {
    /// Copies the gate's verdict into the record.
    mutating func take(_ verdict: PromotionVerdict?) {
        judgedBitsPerByte = verdict?.judgedBitsPerByte
        incumbent = verdict?.incumbent
        incumbentBitsPerByte = verdict?.incumbentBitsPerByte
        reason = verdict?.reason
    }

    /// Copies the bits per byte by precision into the record.
    mutating func take(_ measured: MeasuredPrecisions?) {
        float32BitsPerByte = measured?.float32
        bfloat16BitsPerByte = measured?.bfloat16
        int8BitsPerByte = measured?.int8
    }

    /// The bits per byte by precision, if they were measured.
    var measuredPrecisions: MeasuredPrecisions? {
        float32BitsPerByte.map { MeasuredPrecisions(float32: $0, bfloat16: bfloat16BitsPerByte, int8: int8BitsPerByte) }
    }
}
