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

    /// - Returns: nil for a directory without the file, as something else wrote it
    /// - Throws: `InferenceError.load` where the file cannot be read
    package static func read(directory: String) throws(InferenceError) -> TrainingFacts? {
        let path = directory + "/training_args.json"
        guard access(path, F_OK) == 0 else { return nil }
        do {
            return try JobCoding.decode(TrainingFacts.self, from: Data(contentsOf: URL(filePath: path)))
        } catch {
            throw .load(path: path, reason: "\(error)")
        }
    }
}
