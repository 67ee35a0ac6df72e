/// Bounds the time of one question.
public struct SearchBudget: Sendable {
    /// When to stop. The answer then covers what was found until then, and its `isComplete` is false.
    public var deadline: ContinuousClock.Instant?
    /// Called at least every few milliseconds from the thread that asks. True makes the question throw
    /// `SearchError.cancelled`.
    public var isCancelled: @Sendable () -> Bool

    public init(deadline: ContinuousClock.Instant? = nil, isCancelled: @escaping @Sendable () -> Bool = { false }) {
        self.deadline = deadline
        self.isCancelled = isCancelled
    }
}

/// A place in a corpus, with the words around it.
public struct Occurrence: Sendable, Equatable {
    /// SHA-256 of the corpus, in hexadecimal.
    public var sha256: String
    /// Position in the list of indexes that was searched.
    public var corpus: Int
    /// Position of the match in the corpus, in bytes.
    public var byteOffset: Int
    public var byteCount: Int
    /// Number of the line in which the match begins, from 1.
    public var line: Int
    /// The text before the match, beginning with a whole word if possible. In these three, every run of white space
    /// and control characters is one space, and invalid UTF-8 is replaced.
    public var before: String
    public var match: String
    public var after: String
}

/// What of a text occurs verbatim in the corpora.
///
/// Texts are compared word by word (see `CorpusIndex`): the amount and kind of white space between two words does not
/// matter, everything else does.
public struct Trace: Sendable, Equatable {
    /// A part of the text that occurs in a corpus and that cannot be extended by a word in either direction and still
    /// occur.
    public struct Span: Sendable, Equatable {
        /// Range in the UTF-8 of the text. Never splits a character or a word.
        public var bytes: Range<Int>
        /// The same range in Unicode scalars, as Python counts characters.
        public var characters: Range<Int>
        /// Number of words, not counting punctuation.
        public var words: Int
        /// Number of occurrences in all corpora. Occurrences may overlap.
        public var count: Int
        /// How surprising the span is: −log2 of the product of the relative frequencies of its words in the corpora. Grows
        /// with the length of the span and the rarity of its words.
        public var bits: Double
        /// The first occurrences, in the order of the corpora.
        public var occurrences: [Occurrence]
    }

    /// The spans of at least `TraceOptions.minimumWords` words, those with the most `bits` first, at most
    /// `TraceOptions.spans`.
    public var spans: [Span]
    /// Number of such spans before the limit was applied.
    public var spanCount: Int
    /// Ranges of the text, in bytes of its UTF-8 and in order, that are within such spans, including those over the
    /// limit.
    public var verbatim: [Range<Int>]
    /// The other words of the text, in bytes, in order.
    public var new: [Range<Int>]
    /// Numbers of words (not counting punctuation) of the text and of `verbatim`.
    public var words: Int
    public var verbatimWords: Int
    /// Share of the words of the examined text that are verbatim, 0 to 1; 0 if it has no words.
    public var verbatimShare: Double
    /// False if the deadline passed: only the first `examinedBytes` of the text were examined, and occurrences may be
    /// missing.
    public var isComplete: Bool
    public var examinedBytes: Int
}

public struct TraceOptions: Sendable {
    /// Minimum number of words of a span, not counting punctuation.
    public var minimumWords: Int
    /// Maximum number of spans, 0 to 1000.
    public var spans: Int
    /// Maximum number of occurrences of each span, 0 to 100.
    public var occurrences: Int
    /// Maximum length of the text before and after an occurrence, in bytes, 0 to 1000.
    public var contextBytes: Int

    public init(minimumWords: Int = 4, spans: Int = 20, occurrences: Int = 3, contextBytes: Int = 80) {
        self.minimumWords = minimumWords
        self.spans = spans
        self.occurrences = occurrences
        self.contextBytes = contextBytes
    }
}

/// Occurrences of a query in the order of the corpora and of their text.
public struct Concordance: Sendable, Equatable {
    /// A position from which to continue. Valid for the same query and any list of indexes that contains the corpus.
    public struct Cursor: Sendable, Equatable {
        public var sha256: String
        public var byteOffset: Int

        public init(sha256: String, byteOffset: Int) {
            self.sha256 = sha256
            self.byteOffset = byteOffset
        }
    }

    /// Number of occurrences in all corpora: a lower bound unless `isComplete`.
    public var total: Int
    /// Number of occurrences in each corpus, in the order of the indexes.
    public var countsByCorpus: [Int]
    /// Up to `FindOptions.limit` occurrences after the cursor.
    public var occurrences: [Occurrence]
    /// Where to continue, nil after the last occurrence.
    public var next: Cursor?
    /// False if the deadline passed: counts are lower bounds, and occurrences may be missing.
    public var isComplete: Bool
}

public struct FindOptions: Sendable {
    /// Maximum number of occurrences, 0 to 1000.
    public var limit: Int
    /// Return the occurrences after this position.
    public var after: Concordance.Cursor?
    /// Maximum length of the text before and after an occurrence, in bytes, 0 to 1000.
    public var contextBytes: Int

    public init(limit: Int = 20, after: Concordance.Cursor? = nil, contextBytes: Int = 80) {
        self.limit = limit
        self.after = after
        self.contextBytes = contextBytes
    }
}

/// How often the corpora have each candidate of a mask in its place.
public struct MaskContexts: Sendable, Equatable {
    public struct Candidate: Sendable, Equatable {
        public var text: String
        /// Occurrences between `left` and `right`: comparable between candidates.
        public var count: Int
        /// Number of words and punctuation marks on each side of the widest context in which this candidate occurs, and its
        /// occurrences there. All are 0 if it does not occur in any corpus.
        public var widestLeft: Int
        public var widestRight: Int
        public var widestCount: Int
        /// Occurrences in that widest context.
        public var occurrences: [Occurrence]
    }

    /// The widest context in which any candidate occurs: how many words and punctuation marks of the text on each side of
    /// the mask.
    public var leftCount: Int
    public var rightCount: Int
    /// The text of this context: what was searched for is `left`, the candidate and `right`, joined as they are.
    public var left: String
    public var right: String
    /// In the order of the call.
    public var candidates: [Candidate]
    /// False if the deadline passed: counts are lower bounds.
    public var isComplete: Bool
}

public struct ContextOptions: Sendable {
    /// Maximum number of words and punctuation marks of the text on each side, 0 to 32.
    public var context: Int
    /// Maximum number of occurrences of each candidate, 0 to 100.
    public var occurrences: Int
    /// Maximum length of the text before and after an occurrence, in bytes, 0 to 1000.
    public var contextBytes: Int

    public init(context: Int = 8, occurrences: Int = 3, contextBytes: Int = 80) {
        self.context = context
        self.occurrences = occurrences
        self.contextBytes = contextBytes
    }
}
