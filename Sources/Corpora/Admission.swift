/// A corpus as it lies in the store.
public struct StoredCorpus: Sendable, Equatable {
    /// Of the bytes stored, in hexadecimal: also the file's name.
    public let sha256: String
    public let path: String
    /// Of the file stored; where bytes were replaced, not those of the file that came.
    public let bytes: Int
    /// Plain text is one document, a table one for each record.
    public let documents: Int
    /// Bytes that were not UTF-8 and became U+FFFD.
    public let replacedBytes: Int
    /// Whether it came as records, and is stored with one a line.
    public let isStructured: Bool

    public init(
        sha256: String, path: String, bytes: Int, documents: Int, replacedBytes: Int, isStructured: Bool = false
    ) {
        self.sha256 = sha256
        self.path = path
        self.bytes = bytes
        self.documents = documents
        self.replacedBytes = replacedBytes
        self.isStructured = isStructured
    }
}

/// What became of a file that was offered.
public enum Admission: Sendable, Equatable {
    case admitted(StoredCorpus)
    /// These bytes lie in the store already. That is also so where an earlier admission was cut off before it was
    /// recorded: whether they are known is for the caller's records to say.
    case duplicate(StoredCorpus)
    /// Not usable, with the reason for the user. It still lies in the inbox: see `CorpusStore.reject`.
    case rejected(reason: RejectionReason)
    /// It went away or changed while it was read. It will be offered again, if it is still there.
    case postponed
    /// Reading was interrupted: nothing of it is stored, and it still lies in the inbox.
    case interrupted
}
