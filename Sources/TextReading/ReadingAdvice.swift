import Durable

/// Sentences of reasons that say what to do about a file.
package enum ReadingAdvice {
    /// Says which setting to write, in which file, and what to do then.
    static func set(_ setting: String) -> String { "Set \(settingAndPlace(setting))" }

    /// Describes how to learn a file unmodified although it is in another format. Continues a sentence.
    package static let readAsText = "to learn it unmodified, set \(settingAndPlace("format: text"))"

    private static func settingAndPlace(_ setting: String) -> String {
        "\(setting) in .kbconfig.yaml in the file's folder in the inbox and move the file back there"
    }

    /// The same for a file that was admitted.
    static func change(_ setting: String) -> String {
        "To change that, remove the corpus, set \(setting) in .kbconfig.yaml in the file's folder in the inbox and drop "
            + "the file again"
    }

    /// The setting of the text columns, from scalars of YAML.
    static func textColumn(_ values: [String]) -> String {
        "text_column: " + (values.count == 1 ? values[0] : "[\(values.joined(separator: ", "))]")
    }

    /// Says how many characters of JSON strings no text can hold.
    static func replaced(_ characters: Int) -> String {
        let characters =
            characters == 1
            ? "1 lone surrogate or NUL character was" : "\(characters) lone surrogates or NUL characters were"
        return "\(characters) replaced by U+FFFD"
    }

    /// A name in quotation marks, shortened.
    static func quoted(_ name: String) -> String { "‘\(name.bounded(toBytes: longestName))’" }

    /// A few of the names in quotation marks, and the number of the others.
    static func list(_ names: [String], count: Int? = nil) -> String {
        let shown = names.prefix(mostNames)
        let others = (count ?? names.count) - shown.count
        return shown.map(quoted).joined(separator: ", ") + (others > 0 ? " and \(others) more" : "")
    }

    /// A count with its noun, whose plural ends with s: `1 row`, `2 rows`.
    package static func count(_ value: Int, _ noun: String) -> String { "\(value) \(noun)\(value == 1 ? "" : "s")" }

    private static let mostNames = 8
    private static let longestName = 40

    /// A name as a scalar of YAML, or nil if it is too long or cannot be written on a line.
    static func yaml(_ name: String) -> String? {
        guard !name.isEmpty, name.utf8.count <= longestName else { return nil }
        let words: Set<String> = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        let isPlain = name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"): index > 0
            default: false
            }
        }
        if isPlain, !words.contains(name.lowercased()) { return name }
        // `&` is refused in .kbconfig.yaml except as an escape. A comma separates the names of a list.
        guard name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F && $0 != "," }) else { return nil }
        let escaped = name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("&", with: "\\x26")
        return "\"\(escaped)\""
    }
}

/// Counts rows of one kind and remembers the first.
struct RowCount {
    private(set) var count = 0
    private(set) var firstLine = 0

    mutating func add(line: Int) {
        if count == 0 { firstLine = line }
        count += 1
    }

    /// Whether a file with this many of these rows is more likely misread than incomplete.
    func isTooMuch(of rows: Int) -> Bool { Self.isTooMuch(count, of: rows) }

    /// The same for rows of several kinds together.
    static func isTooMuch(_ count: Int, of rows: Int) -> Bool { count * 5 > rows }
}
