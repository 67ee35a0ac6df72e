import Durable
import FoundationEssentials

/// Bits per byte of a model with packed weights in each precision, on the same sample of held-out text. Stored as
/// `precision.json` in the model's directory.
public struct MeasuredPrecisions: Codable, Sendable, Equatable {
    public var float32: Double
    /// Null if the CPU that measured it has no instructions for the precision, or the loss was not finite.
    public var bfloat16: Double?
    public var int8: Double?

    public init(float32: Double, bfloat16: Double?, int8: Double?) {
        self.float32 = float32
        self.bfloat16 = bfloat16
        self.int8 = int8
    }

    public static let fileName = "precision.json"
    public static let largestFile = 1 << 16

    /// Returns nil if the directory has no such file, or one that no measurement can have written.
    public static func read(directory: String) -> MeasuredPrecisions? {
        guard let json = try? Durable.read("\(directory)/\(fileName)", atMost: largestFile),
            let measured = try? JobCoding.decode(MeasuredPrecisions.self, from: Data(json)), measured.isPlausible
        else { return nil }
        return measured
    }

    public func write(directory: String) throws {
        try Durable.write(JobCoding.encode(self, pretty: true), to: "\(directory)/\(Self.fileName)")
    }

    /// Whether the values can result from a measurement.
    public var isPlausible: Bool {
        [float32, bfloat16 ?? 1, int8 ?? 1].allSatisfy { $0 > 0 && $0.isFinite }
    }
}
