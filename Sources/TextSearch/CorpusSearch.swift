/// Searches several corpora. Thread-safe, and cheap to create.
///
/// Every question blocks the calling thread and is bounded by its `SearchBudget`. Its memory, apart from mapped pages, does
/// not depend on the number of occurrences or the size of the corpora.
public struct CorpusSearch: Sendable {
    /// Maximum size of a text for `trace`, in bytes of UTF-8.
    public static let maximumTraceBytes = 1 << 20
    /// Maximum size of a query, and of each text and candidate of `contexts`, in bytes of UTF-8.
    public static let maximumQueryBytes = 4096
    /// Maximum number of candidates of `contexts`.
    public static let maximumCandidates = 100

    public let indexes: [CorpusIndex]

    public init(_ indexes: [CorpusIndex]) { self.indexes = indexes }
}
