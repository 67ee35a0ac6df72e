import TextReading

/// A corpus in the store.
public struct StoredCorpus: Sendable, Equatable {
    /// SHA-256 of the stored bytes in hexadecimal. Also the name of the file.
    public let sha256: String
    public let path: String
    /// Size of the stored file. Differs from the size of the original file if bytes were replaced.
    public let bytes: Int
    /// Number of documents: 1 for plain text, one per record for a table.
    public let documents: Int
    /// Number of bytes of the original file that were not valid in its encoding and were replaced by U+FFFD.
    public let replacedBytes: Int
    /// Whether the file contained records, which are stored one per line.
    public let isStructured: Bool
    /// The encoding of the original file, such as `windows-1252`; nil for UTF-8.
    public let encoding: String?
    /// The format of the original file as shown to users, such as `HTML` or `CSV with delimiter ‘;’`.
    public let format: String
    /// What was changed or left out while reading, in complete English sentences with numbers, without text of the
    /// file: every user of the service can read them.
    public let warnings: [String]

    public init(
        sha256: String, path: String, bytes: Int, documents: Int, replacedBytes: Int, isStructured: Bool = false,
        encoding: String? = nil, format: String = "plain text", warnings: [String] = []
    ) {
        self.sha256 = sha256
        self.path = path
        self.bytes = bytes
        self.documents = documents
        self.replacedBytes = replacedBytes
        self.isStructured = isStructured
        self.encoding = encoding
        self.format = format
        self.warnings = warnings
    }
}

/// The result of offering a file to the store.
public enum AdmissionResult: Sendable, Equatable {
    case admitted(StoredCorpus)
    /// The store already contains these bytes. This is also the result if an earlier admission was interrupted before
    /// it was recorded; the caller's records tell whether the corpus is known.
    case duplicate(StoredCorpus)
    /// The file is unusable, for a reason that is shown to the user. It is still in the inbox: see
    /// `CorpusStore.reject`.
    case rejected(reason: RejectionReason)
    /// The file disappeared or changed while it was read. It will be offered again if it still exists.
    case postponed
    /// Reading was cancelled. Nothing was stored, and the file is still in the inbox.
    case interrupted
}
