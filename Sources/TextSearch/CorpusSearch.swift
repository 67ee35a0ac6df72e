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
}
