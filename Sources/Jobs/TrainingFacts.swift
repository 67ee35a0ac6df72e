import Durable
import FoundationEssentials
import Glibc
import TextFilters

/// The part of `training_args.json` that is read again after publishing.
///
/// The rest of the file grows with the features of training and is not read, so that a generation published by an older
/// version continues to serve.
public struct TrainingFacts: Decodable, Sendable, Equatable {
    /// The run that trained the model.
    public let run: String
    /// The text filters that were applied to the corpora.
    public let filters: [TextFilter]
    /// Tokens in the longest training sample, including `<s>` and `</s>`.
    public let longestPosition: Int
    /// Optimizer steps taken.
    public let steps: Int?
    /// The held-out fraction of the samples.
    public let heldOut: Double?
    /// The evaluation after the last step.
    public let evaluation: RunEvent.Evaluation?
    public let objective: Objective?
    public let samples: SampleUnit?
    /// Empty if they are not known.
    public let corpora: [TrainingArguments.Corpus]
    /// See `TrainingArguments`.
    public let startedFrom: Int?
    public let warmStarts: Int?
    public let heldOutByHash: Bool?
    public let layoutVersion: Int?

    private enum Key: String, CodingKey {
        case run, filters, longestPosition, steps, recipe, heldOut, evaluation, objective, samples, corpora
        case startedFrom, warmStarts, heldOutByHash, layoutVersion
    }

    public init(from decoder: any Decoder) throws {
        let facts = try decoder.container(keyedBy: Key.self)
        run = try facts.decode(String.self, forKey: .run)
        filters = try facts.decode([TextFilter].self, forKey: .filters)
        longestPosition = try facts.decode(Int.self, forKey: .longestPosition)
        steps = try? facts.decode(Int.self, forKey: .steps)
        let recipe = try? facts.nestedContainer(keyedBy: Key.self, forKey: .recipe)
        heldOut = try? recipe?.decode(Double.self, forKey: .heldOut)
        evaluation = try facts.decodeIfPresent(RunEvent.Evaluation.self, forKey: .evaluation)
        objective = try? facts.decode(Objective.self, forKey: .objective)
        samples = try? facts.decode(SampleUnit.self, forKey: .samples)
        corpora = (try? facts.decode([TrainingArguments.Corpus].self, forKey: .corpora)) ?? []
        startedFrom = try? facts.decode(Int.self, forKey: .startedFrom)
        warmStarts = try? facts.decode(Int.self, forKey: .warmStarts)
        heldOutByHash = try? facts.decode(Bool.self, forKey: .heldOutByHash)
        layoutVersion = try? facts.decode(Int.self, forKey: .layoutVersion)
    }

    /// A file that is not what `TrainingArguments` writes.
    public struct Malformed: Error, CustomStringConvertible {
        public let path: String
        public let reason: String
        public var description: String { "‘\(path)’: \(reason)" }
    }

    /// Reads the file in a model directory without checking its numbers.
    /// - Returns: nil if there is no such file, because other software trained the model
    /// - Throws: `DurableError` if it cannot be read, `Malformed` if it cannot be decoded
    public static func read(directory: String) throws -> TrainingFacts? {
        let path = "\(directory)/\(TrainingArguments.fileName)"
        guard access(path, F_OK) == 0 else { return nil }
        let json = try Durable.read(path, atMost: TrainingArguments.largestFile)
        do {
            return try JobCoding.decode(TrainingFacts.self, from: Data(json))
        } catch {
            throw Malformed(path: path, reason: "\(error)")
        }
    }
}
