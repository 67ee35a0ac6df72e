import Durable

/// What was found in a file that was read, for its corpus's record and for the user who dropped it.
public struct ReadingReport: Codable, Sendable, Equatable {
    /// Number of bytes of the stored text.
    public internal(set) var bytes = 0
    /// Number of documents: one per plain text, one per record of a table.
    public internal(set) var documents = 0
    /// Number of bytes of the original that could not be decoded and were replaced by U+FFFD.
    public internal(set) var replacedBytes = 0
    /// Whether the file contained records, which are stored one per line.
    public internal(set) var isStructured = false
    /// The format in words, such as `plain text`, `EPUB` or `tar archive with 3 files`.
    public internal(set) var format = "plain text"
    /// The encoding under its IANA name; nil means UTF-8.
    public internal(set) var encoding: String?
    /// One sentence for each kind of thing that was left out, replaced or changed: how much, and what to do about it.
    public private(set) var warnings: [String] = []

    private static let mostWarnings = 16
    private static let longestWarning = 512

    package init() {}

    /// Adds a warning. A reading has at most 16; the last one then says that there were more.
    package mutating func warn(_ sentence: String) {
        // A warning may quote names from the file.
        let sentence = RawPath.printable(sentence.bounded(toBytes: Self.longestWarning)).bounded(
            toBytes: Self.longestWarning)
        guard !warnings.contains(sentence) else { return }
        if warnings.count < Self.mostWarnings {
            warnings.append(sentence)
        } else {
            warnings[Self.mostWarnings - 1] = "and more that is not listed here"
        }
    }

    /// The same report with every text bounded and printable, because the process that wrote it is not trusted.
    package var bounded: ReadingReport {
        var bounded = self
        bounded.warnings = []
        warnings.prefix(Self.mostWarnings).forEach { bounded.warn($0) }
        bounded.format = RawPath.printable(format.bounded(toBytes: 100)).bounded(toBytes: 100)
        bounded.encoding = encoding.map { RawPath.printable($0.bounded(toBytes: 40)).bounded(toBytes: 40) }
        bounded.documents = max(0, documents)
        bounded.replacedBytes = max(0, replacedBytes)
        return bounded
    }
}
