import Durable
import FoundationEssentials
import Kernels
import Models

/// Reference values written by transformers and PyTorch: `model/`, `batch.json`, `forward.safetensors`,
/// `gradients.safetensors`, `adamw5.safetensors`, `adamw5_decay.safetensors` and, for a causal model, `generate.json`.
public struct GoldenFolder {
    public let path: String
    public let configuration: RobertaConfiguration
    /// The token ids of the batch with padding removed, concatenated, and the offset at which each sequence begins.
    public let inputIDs: [Int32]
    public let sequenceOffsets: [Int]
    /// The scored rows and the expected id of each; shifted by one position for a causal model.
    public let scoredRows: [Int]
    public let labels: [Int32]
    /// The index of each unpadded row among the padded rows.
    let paddedRows: [Int]

    private struct Batch: Decodable {
        let input_ids: [[Int32]]
        let attention_mask: [[Int]]
        let labels: [[Int32]]
    }

    struct Generated: Decodable {
        let prompt: String
        let prompt_ids: [Int32]
        let greedy_ids: [Int32]
        let next_logprobs: [Double]
    }

    public init(path: String) throws {
        self.path = path
        configuration = try RobertaModel.load(directory: "\(path)/model").configuration
        let batch = try JSONDecoder().decode(Batch.self, from: Data(Durable.read("\(path)/batch.json")))
        var (ids, offsets, rows, labels, padded): ([Int32], [Int], [Int], [Int32], [Int]) = ([], [0], [], [], [])
        for (sequence, mask) in batch.attention_mask.enumerated() {
            let length = mask.reduce(0, +)
            let wanted = batch.labels[sequence]
            for position in 0..<length {
                // A causal model's row is scored against the next token.
                let label =
                    configuration.isDecoder ? (position + 1 < length ? wanted[position + 1] : -100) : wanted[position]
                if label != -100 {
                    rows.append(ids.count)
                    labels.append(label)
                }
                padded.append(sequence * mask.count + position)
                ids.append(batch.input_ids[sequence][position])
            }
            offsets.append(ids.count)
        }
        (inputIDs, sequenceOffsets, scoredRows, self.labels, paddedRows) = (ids, offsets, rows, labels, padded)
    }

    /// Loads the model that transformers saved; the caller may modify its parameters.
    public func loadModel() throws(ModelError) -> RobertaModel { try RobertaModel.load(directory: "\(path)/model") }

    func file(_ name: String) throws(ModelError) -> SafetensorsFile { try SafetensorsFile(path: "\(path)/\(name)") }

    func generated() throws -> [Generated] {
        try JSONDecoder().decode([Generated].self, from: Data(Durable.read("\(path)/generate.json")))
    }

    /// Creates a training pass large enough for the batch.
    public func makePass(_ model: RobertaModel, precision: Precision = .float32) -> TrainingPass {
        let longest = zip(sequenceOffsets, sequenceOffsets.dropFirst()).map { $1 - $0 }.max() ?? 1
        return TrainingPass(
            model: model, maximumTokens: inputIDs.count, maximumSequenceLength: longest, precision: precision)
    }

    /// Adds the gradient of the batch's mean loss to `gradients` and returns that loss.
    public func lossAndGradients(_ pass: TrainingPass, _ gradients: Parameters) -> Double {
        let sums = pass.forwardBackward(
            inputIDs: inputIDs, sequenceOffsets: sequenceOffsets, scoredRows: scoredRows, labels: labels,
            lossScale: 1 / Float(scoredRows.count), dropout: nil, gradients: gradients)
        return sums.loss / Double(sums.count)
    }

    /// Returns the batch's mean loss.
    public func loss(_ pass: TrainingPass) -> Double {
        let sums = pass.evaluate(
            inputIDs: inputIDs, sequenceOffsets: sequenceOffsets, scoredRows: scoredRows, labels: labels)
        return sums.loss / Double(sums.count)
    }
}
