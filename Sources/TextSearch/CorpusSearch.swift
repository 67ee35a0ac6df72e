/// Searches several corpora. Thread-safe, and cheap to create.
///
/// Every question blocks the calling thread, uses memory that does not depend on the size of the corpora (apart from mapped
/// pages, and four bytes for each occurrence in one block of a corpus), and is bounded by its `SearchBudget`.
public struct CorpusSearch: Sendable {
    /// Maximum size of a text for `trace`, in bytes of UTF-8.
    public static let maximumTraceBytes = 1 << 20
    /// Maximum size of a query, and of each text and candidate of `contexts`, in bytes of UTF-8.
    public static let maximumQueryBytes = 4096
    /// Maximum number of candidates of `contexts`.
    public static let maximumCandidates = 100

    public let indexes: [CorpusIndex]

    public init(_ indexes: [CorpusIndex]) { self.indexes = indexes }

    /// Returns the parts of a text that occur verbatim in the corpora.
    public func trace(
        _ text: String, options: TraceOptions = TraceOptions(), budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> Trace {
        throw .cancelled
    }

    /// Returns a concordance of a query.
    public func find(
        _ query: SearchQuery, options: FindOptions = FindOptions(), budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> Concordance {
        throw .cancelled
    }

    /// Returns how often the corpora have each candidate between `before` and `after`.
    ///
    /// The texts are joined as they are: `candidates` have a leading space where the text has one. A candidate may be a part
    /// of a word; the words that it completes must then occur.
    /// - Parameters:
    ///   - before: the text before the mask; only its end is used
    ///   - after: the text after the mask; only its beginning is used
    public func contexts(
        before: String, candidates: [String], after: String, options: ContextOptions = ContextOptions(),
        budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> MaskContexts {
        throw .cancelled
    }
}
