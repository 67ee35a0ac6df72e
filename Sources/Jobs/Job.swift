import FoundationEssentials
import TextFilters

/// What a model learns: to fill masks (`mlm`) or to continue text (`clm`).
public enum Objective: String, Codable, Sendable, CaseIterable {
    case mlm, clm
}

/// The unit of training cut from a corpus.
public enum SampleUnit: String, Codable, Sendable, CaseIterable {
    /// One non-blank line each; the default of `mlm`.
    case lines
    /// Blank lines between; a longer one is cut into pieces of `block_size` − 1 tokens. The default of `clm`.
    case paragraphs
    /// One record of a structured corpus (csv, jsonl) each.
    case records
    /// Paragraphs with `</s>` behind each, joined and cut at `block_size`: all rows are full but the last.
    case packed

    /// Whether a blank line ends a sample, and not any line end.
    public var endsAtBlankLine: Bool {
        switch self {
        case .paragraphs, .packed: true
        case .lines, .records: false
        }
    }
}

/// Everything one training run needs to know: `runs/RUN/job.json`.
///
/// The service writes it, `kantaibert-train run job.json` reads it. Keys on disk are these names in snake_case.
public struct Job: Codable, Sendable, Equatable {
    /// The run's name, unique for ever; also the name of its folder.
    public var run: String
    public var model: String
    /// The number this run's model will be published under.
    public var generation: Int
    public var objective: Objective
    public var architecture: Architecture
    public var recipe: Recipe
    public var corpora: [JobCorpus]
    public var samples: SampleUnit
    /// What a text goes through, in order, before it is tokenized.
    public var filters: [TextFilter]
    /// A directory holding a tokenizer to use as it is; null trains one on the corpora.
    public var tokenizer: String?
    /// Where the words of each corpus are kept, counted, from one training of a tokenizer to the next; null keeps none.
    public var wordCountsDirectory: String?
    /// The folder of the run: tokenizer, shards, checkpoints. Locked while the run is alive.
    public var runDirectory: String
    /// Where the finished model directory is put, whole, by a rename: `models/NAME/N`.
    public var outputDirectory: String

    public init(
        run: String, model: String, generation: Int, objective: Objective, architecture: Architecture, recipe: Recipe,
        corpora: [JobCorpus], samples: SampleUnit, filters: [TextFilter] = [], tokenizer: String? = nil,
        wordCountsDirectory: String? = nil, runDirectory: String, outputDirectory: String
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
        self.wordCountsDirectory = wordCountsDirectory
        self.runDirectory = runDirectory
        self.outputDirectory = outputDirectory
    }
}

/// One admitted corpus, as a run reads it.
public struct JobCorpus: Codable, Sendable, Equatable {
    public var sha256: String
    /// What the user called it.
    public var name: String
    public var path: String
    public var bytes: Int
    /// How it is cut where that is not as the job says: `records`, for what came as a table. Null is as the job says.
    public var samples: SampleUnit?
    /// The filters of the folder it came through, in place of the job's; null takes the job's.
    public var filters: [TextFilter]?

    public init(
        sha256: String, name: String, path: String, bytes: Int, samples: SampleUnit? = nil,
        filters: [TextFilter]? = nil
    ) {
        self.sha256 = sha256
        self.name = name
        self.path = path
        self.bytes = bytes
        self.samples = samples
        self.filters = filters
    }
}

extension Job {
    /// What a model of this job is asked goes through the same filters as what it learned from: the folders' where all
    /// corpora came with the same ones, else the job's.
    public var promptFilters: [TextFilter] {
        let effective = Set(corpora.map { $0.filters ?? filters })
        return effective.count == 1 ? effective.first! : filters
    }
}
