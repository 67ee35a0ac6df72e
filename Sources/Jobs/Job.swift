import FoundationEssentials
import TextFilters

/// The training objective: filling masks (`mlm`) or continuing text (`clm`).
public enum Objective: String, Codable, Sendable, CaseIterable {
    case mlm, clm
}

/// The unit of training that a corpus is divided into.
public enum SampleUnit: String, Codable, Sendable, CaseIterable {
    /// Decided for each corpus from its text: lines, paragraphs, records or conversations. The default.
    case auto
    /// Non-blank lines; longer ones than `block_size` continue in further rows.
    case lines
    /// Paragraphs separated by blank lines; longer ones than `block_size` continue in further rows.
    case paragraphs
    /// Records of a structured corpus (csv, jsonl).
    case records
    /// Conversations of a structured corpus, whose replies are learned. Other corpora cannot be divided so.
    case conversations
    /// Paragraphs joined with `</s>` after each and split at `block_size`, so that all rows except the last are full.
    case packed

    /// Whether samples end at blank lines instead of at every line break. Not defined for `auto`.
    public var endsAtBlankLine: Bool {
        switch self {
        case .paragraphs, .packed: true
        case .lines, .records, .conversations: false
        case .auto: preconditionFailure("`auto` stands for another unit")
        }
    }
}

/// The complete description of a training run: `runs/RUN/job.json`.
///
/// The service writes it and `kantaibert-train run job.json` reads it. Keys on disk are these names in snake_case.
public struct Job: Codable, Sendable, Equatable {
    /// The run's name, which is never reused; also the name of its directory.
    public var run: String
    public var model: String
    /// The generation number that the trained model is published under.
    public var generation: Int
    public var objective: Objective
    public var architecture: Architecture
    public var recipe: Recipe
    public var corpora: [JobCorpus]
    public var samples: SampleUnit
    /// Filters that text passes through, in order, before it is tokenized.
    public var filters: [TextFilter]
    /// A directory with an existing tokenizer; null trains one on the corpora.
    public var tokenizer: String?
    /// The generation that training starts from; null starts from random weights.
    public var start: JobStart?
    /// Caches the word counts of each corpus between trainings of a tokenizer; null disables the cache.
    public var wordCountsDirectory: String?
    /// Caches the measurements of the CPU, which all runs on a machine share; null measures the CPU for this run.
    public var machineFile: String?
    /// The directory of tokenizer, shards and checkpoints. Locked while the run is active.
    public var runDirectory: String
    /// Where the finished model directory is published by a rename: `models/NAME/N`.
    public var outputDirectory: String

    public init(
        run: String, model: String, generation: Int, objective: Objective, architecture: Architecture, recipe: Recipe,
        corpora: [JobCorpus], samples: SampleUnit, filters: [TextFilter], tokenizer: String?, start: JobStart? = nil,
        wordCountsDirectory: String?, machineFile: String? = nil, runDirectory: String, outputDirectory: String
    ) {
        self.run = run
        self.model = model
        self.generation = generation
        self.objective = objective
        self.architecture = architecture
        self.recipe = recipe
        self.corpora = corpora
        self.samples = samples
        self.filters = filters
        self.tokenizer = tokenizer
        self.start = start
        self.wordCountsDirectory = wordCountsDirectory
        self.machineFile = machineFile
        self.runDirectory = runDirectory
        self.outputDirectory = outputDirectory
    }
}

/// An admitted corpus in a job.
public struct JobCorpus: Codable, Sendable, Equatable {
    public var sha256: String
    /// The name of the file that was dropped into the inbox.
    public var name: String
    public var path: String
    public var bytes: Int
    /// Overrides the job's `samples`: `records` for a corpus that was a table. Null uses the job's.
    public var samples: SampleUnit?
    /// Overrides the job's filters with those of the inbox folder; null uses the job's.
    public var filters: [TextFilter]?
    /// When the file was received; null in jobs of older versions.
    public var received: Date?

    public init(
        sha256: String, name: String, path: String, bytes: Int, samples: SampleUnit? = nil,
        filters: [TextFilter]? = nil, received: Date? = nil
    ) {
        self.sha256 = sha256
        self.name = name
        self.path = path
        self.bytes = bytes
        self.samples = samples
        self.filters = filters
        self.received = received
    }
}

/// The generation that a run starts from: a warm start.
public struct JobStart: Codable, Sendable, Equatable {
    public var generation: Int
    /// Its model directory.
    public var directory: String
    /// SHA-256 of its `model.safetensors`.
    public var modelSha256: String
    /// SHA-256 of the corpora that it was trained on, in ascending order. All of them are corpora of the job.
    public var corpora: [String]
    /// The number of generations in a row, including the one of this run, that started from the one before.
    public var warmStarts: Int

    /// The largest number of generations in a row that start from the one before, unless the settings demand it.
    public static let mostWarmStarts = 9

    public init(generation: Int, directory: String, modelSha256: String, corpora: [String], warmStarts: Int) {
        self.generation = generation
        self.directory = directory
        self.modelSha256 = modelSha256
        self.corpora = corpora.sorted()
        self.warmStarts = warmStarts
    }
}

extension Job {
    /// The filters of prompts: those that all corpora passed through if they are the same, otherwise the job's.
    public var promptFilters: [TextFilter] {
        let effective = Set(corpora.map { $0.filters ?? filters })
        return effective.count == 1 ? effective.first! : filters
    }
}
