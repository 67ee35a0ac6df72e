import FoundationEssentials
import GRDB

/// A published model.
public struct GenerationRecord: MetricsRecord {
    public static let databaseTableName = "generations"

    public enum State: String, Codable, Sendable, CaseIterable {
        case candidate, serving, retired, rejected
    }

    public var model: String
    /// Starts at 1.
    public var number: Int
    public var run: String
    public var state: State
    /// SHA-256 of `model.safetensors`, in hexadecimal.
    public var modelSha256: String
    public var parameters: Int
    public var vocabSize: Int
    public var evaluationLoss: Double?
    public var bitsPerByte: Double?
    public var created: Date
    /// Bits per byte at the gate, on the same held-out text as `incumbent`, the generation that served at the time.
    public var judgedBitsPerByte: Double?
    public var incumbent: Int?
    public var incumbentBitsPerByte: Double?
    /// Why it was promoted or rejected.
    public var reason: String?
    /// Bits per byte of held-out text with packed weights, by their precision.
    public var float32BitsPerByte: Double?
    public var bfloat16BitsPerByte: Double?
    public var int8BitsPerByte: Double?

    public init(
        model: String, number: Int, run: String, state: State, modelSha256: String, parameters: Int, vocabSize: Int,
        evaluationLoss: Double? = nil, bitsPerByte: Double? = nil, created: Date = Date()
    ) {
        self.model = model
        self.number = number
        self.run = run
        self.state = state
        self.modelSha256 = modelSha256
        self.parameters = parameters
        self.vocabSize = vocabSize
        self.evaluationLoss = evaluationLoss
        self.bitsPerByte = bitsPerByte
        self.created = created
    }
}
