import TextFilters

/// What a run trains on: the text of its corpora, and what becomes of it.
public struct TextSummary: Codable, Sendable, Equatable {
    /// UTF-8 bytes of the text, without blank lines.
    public var bytes: Int
    /// Lines, paragraphs or records; long ones count as several.
    public var units: Int
    /// Tokens of the text that filters left, without special tokens.
    public var tokens: Int
    /// Shares of the bytes; their sum is 1.
    public var trainedShare: Double
    public var heldOutShare: Double
    /// Beyond `block_size`, dropped because of `truncate`.
    public var truncatedShare: Double
    /// Removed by filters that are not for duplicates.
    public var filteredShare: Double
    public var duplicateShare: Double
    /// Units that filters dropped as a whole, except for duplicates.
    public var filteredUnits: Int
    public var duplicateUnits: Int
    /// Whether all units have the same text.
    public var isUniform: Bool
    /// The units before and after each filter, in order. Those of corpora with filters of their own are included.
    public var filters: [FilterCount]
    /// The first corpora.
    public var corpora: [Division]
    public var corpusCount: Int

    /// Maximum number of corpora that are listed.
    public static let mostCorpora = 8

    /// How a corpus is divided into samples.
    public struct Division: Codable, Sendable, Equatable {
        public var name: String
        public var samples: SampleUnit
        public var joinsLines: Bool
        /// The form of the text, or the setting that determined the unit.
        public var reason: String

        public init(name: String, samples: SampleUnit, joinsLines: Bool, reason: String) {
            self.name = name
            self.samples = samples
            self.joinsLines = joinsLines
            self.reason = reason
        }
    }

    public init(
        bytes: Int, units: Int, tokens: Int, trainedShare: Double, heldOutShare: Double, truncatedShare: Double,
        filteredShare: Double, duplicateShare: Double, filteredUnits: Int, duplicateUnits: Int, isUniform: Bool,
        filters: [FilterCount] = [], corpora: [Division], corpusCount: Int
    ) {
        self.bytes = bytes
        self.units = units
        self.tokens = tokens
        self.trainedShare = trainedShare
        self.heldOutShare = heldOutShare
        self.truncatedShare = truncatedShare
        self.filteredShare = filteredShare
        self.duplicateShare = duplicateShare
        self.filteredUnits = filteredUnits
        self.duplicateUnits = duplicateUnits
        self.isUniform = isUniform
        self.filters = filters
        self.corpora = corpora
        self.corpusCount = corpusCount
    }

    /// Share of the text that was neither trained on nor held out.
    public var leftOutShare: Double { truncatedShare + filteredShare + duplicateShare }
}
