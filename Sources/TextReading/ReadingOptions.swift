/// Options for reading a file from the inbox: format details that its name does not determine, and size limits.
public struct ReadingOptions: Sendable, Equatable, Codable {
    /// The format, or nil to derive it from the file name.
    public var format: TextFormat?
    /// The encoding, see `EncodingSetting`, or nil to detect it.
    public var encoding: String?
    /// The columns of a table, by name or by number from 1, or the fields of a JSON object that contain the text. The
    /// texts of several are joined by a space. A nested field is written as `message.text`.
    public var textColumns = ["text"]
    /// The text column, if there is only one.
    public var textColumn: String {
        get { textColumns.joined(separator: ", ") }
        set { textColumns = [newValue] }
    }
    /// The columns of a table, or the fields of JSON objects, that make a conversation of each row or object; nil to
    /// recognize them.
    public var exchange: ExchangeColumns?
    /// The known properties of the syntax of tables.
    public var table = TableOptions()
    /// Maximum size in bytes of a file in the inbox. At 1,500 tokens per second on two cores, the default takes a week
    /// to train on; a larger file is more likely a mistake, and the limit can be raised.
    public var maxFileBytes = 4 << 30
    /// Maximum decompressed size in bytes. The default is the same as for uncompressed files.
    public var maxExpandedBytes = 4 << 30
    /// Maximum ratio of decompressed to compressed size, enforced above `ratioFreeBytes`.
    public var maxExpansionRatio = 200
    /// Maximum size in bytes of one record with all its columns. One record at a time is held in memory.
    public var maxRecordBytes = 16 << 20

    /// The expansion ratio is not checked below this size, because it is not meaningful for small files.
    package static let ratioFreeBytes = 16 << 20

    /// Number of bytes from the start of a table or JSON from which its form is recognized.
    package var sampleBytes = 256 << 10

    /// Number of rows of a table that are put together to threads, for each of which about 40 bytes are kept in memory.
    package var threadRows = 4 << 20

    /// Maximum number of text columns.
    package static let mostTextColumns = JSONPaths.mostFields
    /// Maximum length in bytes of the name of a text column.
    package static let longestTextColumn = 1024

    public init() {}

    package func tooLarge(atLeast bytes: Int) -> RejectionError {
        RejectionError("has at least \(bytes) bytes, more than \(maxFileBytes), the limit set by inbox.max_file_bytes")
    }
}

/// The columns or fields of a user's message and its reply, named like text columns.
public struct ExchangeColumns: Sendable, Equatable, Codable {
    public var prompt: String
    public var completion: String

    public init(prompt: String, completion: String) {
        self.prompt = prompt
        self.completion = completion
    }
}

/// The format of a file after decompression.
public enum TextFormat: String, Sendable, CaseIterable, Codable {
    case text, csv, tsv, jsonl, json, mail

    /// Whether the file is a sequence of records, each with a text.
    public var isStructured: Bool { self != .text && self != .mail }

    /// The extensions of names that imply the format.
    package var extensions: [String] {
        switch self {
        case .text: []
        case .csv: ["csv"]
        case .tsv: ["tsv", "tab"]
        case .jsonl: ["jsonl", "ndjson", "json-seq"]
        case .json: ["json"]
        case .mail: ["eml", "emlx", "mbox", "mht", "mhtml"]
        }
    }

    /// Extensions of files that are never plain UTF-8 text by themselves, whatever their first bytes.
    private static let otherExtensions: Set<String> = [
        "gz", "bz2", "xz", "zst", "z", "lzma", "zip", "tar", "7z", "tgz", "tbz", "tbz2", "txz", "tzst", "taz", "tlz",
        "html", "htm", "xhtml", "xml", "epub",
        "docx", "odt", "pdf", "rtf", "ipynb",
    ]

    /// The format that a name implies for a file that is plain UTF-8: plain text for an unknown extension, nil for that
    /// of another kind of file.
    package static func plain(name: some StringProtocol) -> TextFormat? {
        let found = ending(of: name)
        if let format = allCases.first(where: { $0.extensions.contains(found) }) {
            return format == .mail ? nil : format
        }
        return otherExtensions.contains(found) ? nil : .text
    }
}

/// Returns the extension in lower case without the dot, or an empty string if there is none.
package func ending(of name: some StringProtocol) -> String {
    guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return "" }
    return name[name.index(after: dot)...].lowercased()
}
