/// How a file of the inbox is read: what its name does not say, and what it may grow to.
public struct ReadingOptions: Sendable, Equatable {
    /// Null goes by the name.
    public var format: TextFormat?
    /// The column of a table, or the field of a JSON object, that holds the text.
    public var textColumn = "text"
    /// Between the fields of a table; null is a comma, in `.tsv` a tab.
    public var delimiter: UInt8?
    /// Bytes of a file as it lies in the inbox. Two cores train on some 1,500 tokens a second, which makes this a week of reading:
    /// who drops in more at once most probably did not mean to, and who did says so.
    public var maxFileBytes = 4 << 30
    /// Bytes that a compressed file may expand to: as many as of one that is not compressed.
    public var maxExpandedBytes = 4 << 30
    /// How many times its size a compressed file may expand to, once that is more than `ratioFreeBytes`.
    public var maxExpansionRatio = 200
    /// Bytes of one record, with all its columns: one is in memory as a whole.
    public var maxRecordBytes = 16 << 20

    /// What little bytes expand to says nothing.
    static let ratioFreeBytes = 16 << 20

    public init() {}

    func tooLarge(atLeast bytes: Int) -> Unusable {
        Unusable("has \(bytes) bytes or more, and inbox.max_file_bytes is \(maxFileBytes)")
    }
}

/// What a file holds, once it is expanded.
public enum TextFormat: String, Sendable, CaseIterable {
    case text, csv, tsv, jsonl

    /// Whether it is a row of records, each with its text.
    public var isStructured: Bool { self != .text }

    /// By the ending of a name without that of its compression; what no table has for its ending is text.
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

    /// - Returns: how a file of this name is compressed, and its name when it no longer is
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

/// In lower case, without the dot; empty where there is none.
private func ending(of name: some StringProtocol) -> String {
    guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return "" }
    return name[name.index(after: dot)...].lowercased()
}
