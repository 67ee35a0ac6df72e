import Durable
import Glibc

/// A corpus could not be indexed, or its index cannot be used.
public enum IndexError: Error, Equatable, CustomStringConvertible {
    /// A file could not be read, mapped or written.
    case file(DurableError)
    /// `isCancelled` returned true. Nothing was written.
    case cancelled
    /// The index is damaged, incomplete, or was written by another version of the service. Build it again.
    case unusable(index: String, reason: String)
    /// The index was built from another text. Build it again.
    case foreign(index: String, reason: String)
    /// The suffix sort failed: there was not enough memory.
    case outOfMemory(bytes: Int)

    /// Whether building the index again, from the same text, resolves the error.
    public var isResolvedByBuilding: Bool {
        switch self {
        case .unusable, .foreign: true
        case .file(let error): error.errno == ENOENT
        case .cancelled, .outOfMemory: false
        }
    }

    public var description: String {
        switch self {
        case .file(let error): error.description
        case .cancelled: "building the search index was cancelled"
        case .unusable(let index, let reason): "the search index \(index) cannot be used: \(reason)"
        case .foreign(let index, let reason): "the search index \(index) belongs to another text: \(reason)"
        case .outOfMemory(let bytes): "sorting a block of a corpus needs \(bytes) bytes of memory, which are not free"
        }
    }
}

/// A question to `CorpusSearch` that cannot be answered.
public enum SearchError: Error, Equatable, CustomStringConvertible {
    /// `SearchBudget.isCancelled` returned true.
    case cancelled
    /// An index turned out to be damaged while it was used. Remove it and build it again.
    case damaged(sha256: String, reason: String)
    case textTooLong(bytes: Int, limit: Int)
    /// - Parameter offset: position in the query, in Unicode scalars from 0
    case invalidQuery(reason: String, offset: Int)

    public var description: String {
        switch self {
        case .cancelled: "the search was cancelled"
        case .damaged(let sha256, let reason): "the search index of corpus \(sha256) is damaged: \(reason)"
        case .textTooLong(let bytes, let limit): "the text has \(bytes) bytes; the limit is \(limit)"
        case .invalidQuery(let reason, let offset): "character \(offset + 1) of the query: \(reason)"
        }
    }
}
