import Durable
import FoundationEssentials
import Glibc
import Jobs
import TextFilters

/// The part of `training_args.json` that serving needs. Other keys are ignored, so that generations published by other
/// versions can still be served.
public struct TrainingFacts: Decodable, Sendable, Equatable {
    /// The run that produced the model.
    public let run: String
    /// The text filters that were applied to the corpora.
    public let filters: [TextFilter]
    /// Number of tokens of the longest training sample, including `<s>` and `</s>`.
    public let longestPosition: Int
    public let evaluation: RunEvent.Evaluation?

    static let file = "training_args.json"
    package static let mostBytes = 1 << 24
    private static let mostFilters = 100

    /// - Parameter longestSequence: the longest sequence of the model
    /// - Returns: nil if the file does not exist, because the directory was written by other software
    /// - Throws: `InferenceError.load` if the file cannot be read or its values do not match the model
    package static func read(directory: String, longestSequence: Int) throws(InferenceError) -> TrainingFacts? {
        guard let facts = try read(directory: directory) else { return nil }
        let path = "\(directory)/\(file)"
        guard (2...longestSequence).contains(facts.longestPosition) else {
            throw .load(
                path: path,
                reason: "`longest_position` is \(facts.longestPosition), expected 2 to \(longestSequence)")
        }
        guard facts.filters.count <= mostFilters else {
            throw .load(
                path: path,
                reason: "`filters` has \(facts.filters.count) elements, expected at most \(mostFilters)")
        }
        return facts
    }

    /// Reads the file without validating its values.
    package static func read(directory: String) throws(InferenceError) -> TrainingFacts? {
        let path = "\(directory)/\(file)"
        guard access(path, F_OK) == 0 else { return nil }
        do {
            return try JobCoding.decode(TrainingFacts.self, from: Data(Durable.read(path, atMost: mostBytes)))
        } catch {
            throw .load(path: path, reason: "\(error)")
        }
    }
}
