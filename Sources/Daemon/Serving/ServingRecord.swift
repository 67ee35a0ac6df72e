import Events
import Formatting
import FoundationEssentials
import Inference
import Jobs
import Kernels
import Models
import Database
import Varlink

extension ServingModel {
    var configuration: RobertaConfiguration { engine.configuration }

    /// Number of parameters.
    var parameterCount: Int { ParameterLayout(configuration).count }

    func record(run: String?) -> GenerationRecord {
        let evaluation = engine.trainingArguments?.evaluation
        var record = GenerationRecord(
            model: name, number: generation, run: run ?? engine.trainingArguments?.run ?? "", state: .serving,
            modelSha256: engine.modelSHA256, parameters: parameterCount, vocabSize: configuration.vocabSize,
            evaluationLoss: evaluation?.loss, bitsPerByte: evaluation?.bitsPerByte,
            created: GenerationTime.read(engine.directory) ?? Date())
        record.take(PromotionVerdict.read(engine.directory))
        record.take(MeasuredPrecisions.read(directory: engine.directory))
        return record
    }

    package func event(run: String?) -> ServiceEvent {
        let evaluation = engine.trainingArguments?.evaluation
        var fields: [String: JSONValue] = [
            "generation": .int(generation), "model_sha256": .string(engine.modelSHA256),
            "parameters": .int(parameterCount), "precision": .string(precision.precision.rawValue),
            "precision_reason": .string(precision.reason),
        ]
        fields["evaluation_loss"] = evaluation.map { .double($0.loss) }
        fields["bits_per_byte"] = evaluation.map { .double($0.bitsPerByte) }
        let measure = evaluation.map { ", \(MessageFormat.fixed($0.bitsPerByte, 3)) bits per byte" } ?? ""
        let memory = engine.packedFileFailure.map { "; its weights are kept in memory: \($0)" } ?? ""
        let weights = "; weights in \(precision.precision.rawValue): \(precision.reason)"
        return ServiceEvent(
            .generationServes, "\(name) \(generation) serves\(measure)\(weights)\(memory)", model: name, run: run,
            fields: fields)
    }
}
