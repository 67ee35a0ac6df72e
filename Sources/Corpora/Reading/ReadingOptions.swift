/// Options for reading a file from the inbox: format details that its name does not determine, and size limits.
public struct ReadingOptions: Sendable, Equatable {
    /// The format, or nil to derive it from the file name.
    public var format: TextFormat?
    /// The column of a table or the field of a JSON object that contains the text.
    public var textColumn = "text"
    /// The field delimiter of a table. Nil means a comma, or a tab for `.tsv`.
    public var delimiter: UInt8?
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
    static let ratioFreeBytes = 16 << 20

    public init() {}

    func tooLarge(atLeast bytes: Int) -> RejectionError {
        RejectionError("has at least \(bytes) bytes, more than \(maxFileBytes), the limit set by inbox.max_file_bytes")
    }
}

/// The format of a file after decompression.
public enum TextFormat: String, Sendable, CaseIterable {
    case text, csv, tsv, jsonl

    /// Whether the file is a sequence of records, each with a text.
    public var isStructured: Bool { self != .text }

    /// Derives the format from the extension, without that of the compression. Unknown extensions mean plain text.
    init(name: some StringProtocol) {
        switch ending(of: name) {
        case "csv": self = .csv
        case "tsv": self = .tsv
        case "jsonl", "ndjson": self = .jsonl
        default: self = .text
        }
    }
}

enum Compression {
    case none, gzip, zstd, zip

    /// - Returns: the compression that the name implies, and the name without its extension
    static func of(name: String) -> (Compression, name: String) {
        let compression: Compression =
            switch ending(of: name) {
            case "gz": .gzip
            case "zst": .zstd
            case "zip": .zip
            default: .none
            }
        guard compression != .none, let dot = name.lastIndex(of: ".") else { return (.none, name) }
        return (compression, String(name[..<dot]))
    }
}

/// Returns the extension in lower case without the dot, or an empty string if there is none.
private func ending(of name: some StringProtocol) -> String {
    guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return "" }
    return name[name.index(after: dot)...].lowercased()
}
