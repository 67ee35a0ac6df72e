import FoundationEssentials
import TextFilters

/// How a published model was trained: `training_args.json` in its directory. `TrainingFacts` reads it.
public struct TrainingArguments: Codable, Sendable, Equatable {
    public static let fileName = "training_args.json"
    /// Bytes of the largest file that is read.
    package static let largestFile = 1 << 24

    public var run: String
    public var model: String
    public var generation: Int
    public var objective: Objective
    public var samples: SampleUnit
    /// The text filters that were applied to the corpora, and that must also be applied to prompts.
    public var filters: [TextFilter]
    public var recipe: Recipe
    /// Tokens in the longest training sample, including `<s>` and `</s>`: positions beyond it were never trained.
    public var longestPosition: Int
    /// Optimizer steps taken.
    public var steps: Int
    /// Tokens in the training samples, each seen once in an epoch.
    public var trainingTokens: Int
    public var corpora: [Corpus]
    /// The generation that training started from; null if it started from random weights.
    public var startedFrom: Int?
    /// The number of generations in a row, including this one, that started from the one before.
    public var warmStarts: Int?
    /// Whether samples were held out by the hash of their text alone, as in every text that is not very small. Then no
    /// later run holds out what this one was trained on. Null if it is not known.
    public var heldOutByHash: Bool?
    /// Version of the rules that divide corpora into samples.
    public var layoutVersion: Int?
    /// Tokens in the tokenizer's vocabulary; the embedding may have more rows.
    public var tokenizerVocabulary: Int
    /// The evaluation on the held-out samples after the last step.
    public var evaluation: RunEvent.Evaluation?

    public struct Corpus: Codable, Sendable, Equatable {
        public var sha256: String
        public var name: String
        public var bytes: Int
        /// Where these are null, `samples` and `filters` of the run apply.
        public var samples: SampleUnit?
        public var filters: [TextFilter]?
        /// When the file was received; null in files of older versions.
        public var received: Date?

        public init(_ corpus: JobCorpus) {
            samples = corpus.samples
            filters = corpus.filters
            sha256 = corpus.sha256
            name = corpus.name
            bytes = corpus.bytes
            received = corpus.received
        }
    }

    public init(
        job: Job, longestPosition: Int, steps: Int, trainingTokens: Int, tokenizerVocabulary: Int,
        heldOutByHash: Bool? = nil, layoutVersion: Int? = nil, evaluation: RunEvent.Evaluation?
    ) {
        run = job.run
        model = job.model
        generation = job.generation
        objective = job.objective
        samples = job.samples
        filters = job.promptFilters
        recipe = job.recipe
        corpora = job.corpora.map(Corpus.init)
        self.longestPosition = longestPosition
        self.steps = steps
        self.trainingTokens = trainingTokens
        self.tokenizerVocabulary = tokenizerVocabulary
        startedFrom = job.start?.generation
        warmStarts = job.start?.warmStarts
        self.heldOutByHash = heldOutByHash
        self.layoutVersion = layoutVersion
        self.evaluation = evaluation
    }
}
