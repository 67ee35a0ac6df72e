/// How quote marks are used in a table.
public enum TableQuoting: String, Sendable, Codable, CaseIterable {
    /// A quote mark is a character like any other.
    case none
    /// A field may be enclosed in quote marks. One that is never closed, or that would swallow rows, is taken as text.
    case minimal
    /// As `minimal`, but every quote mark at the beginning of a field opens it, however many lines follow.
    case all
}

/// The user's settings for the tables of a folder. Properties that are nil are recognized from the contents.
public struct TableOptions: Sendable, Equatable, Codable {
    public var delimiter: UInt8?
    public var quoting: TableQuoting?
    /// The escape character, which precedes a quote mark that is part of a quoted field's text.
    public var escape: UInt8?
    /// Whether spaces after a delimiter are ignored.
    public var skipsInitialSpace: Bool?
    /// Whether the first row contains the names of the columns.
    public var hasHeader: Bool?
    /// Whether the rows are messages that are put together by their ids; see `ThreadRows`.
    public var hasThreads = false

    public init() {}
}

/// The syntax of one table.
struct TableDialect: Equatable {
    /// Nil for a table of one column, whose lines keep all their delimiters.
    var delimiter: UInt8?
    var quoting = TableQuoting.minimal
    var escape: UInt8?
    var skipsInitialSpace = false

    static let quote = UInt8(ascii: "\"")

    /// The delimiter in words.
    static func name(_ delimiter: UInt8) -> String {
        switch delimiter {
        case UInt8(ascii: "\t"): "a tab"
        case UInt8(ascii: " "): "a space"
        default: "‘\(Character(Unicode.Scalar(delimiter)))’"
        }
    }

    /// The delimiter as a value in YAML.
    static func yaml(_ delimiter: UInt8) -> String {
        delimiter == UInt8(ascii: "\t") ? "\"\\t\"" : "\"\(Character(Unicode.Scalar(delimiter)))\""
    }
}
