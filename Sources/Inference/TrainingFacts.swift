import Durable
import FoundationEssentials
import Glibc
import Jobs
import TextFilters

/// What serving needs of `training_args.json`. The rest of it, which grows with what training can do, is not read: a
/// generation published by an older version goes on serving.
public struct TrainingFacts: Decodable, Sendable, Equatable {
    /// The run that made the model.
    public let run: String
    /// The text filters the corpora went through.
    public let filters: [TextFilter]
    /// Tokens of the longest training sample, `<s>` and `</s>` included.
    public let longestPosition: Int
    public let evaluation: RunEvent.Evaluation?

    static let file = "training_args.json"
    package static let mostBytes = 1 << 24
    private static let mostFilters = 100

    /// - Parameter longestSequence: of the model
    /// - Returns: nil for a directory without the file, as something else wrote it
    /// - Throws: `InferenceError.load` where the file cannot be read, or its numbers are none of such a model
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
                path: path, reason: "`filters` are \(facts.filters.count), expected at most \(mostFilters)")
        }
        return facts
    }

    /// What the file says, whatever its numbers.
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
