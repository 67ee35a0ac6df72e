import SettingsTable
import TextReading

/// The keys of `.kbconfig.yaml` that set the syntax of a folder's tables where it is not recognized correctly.
enum TableKey: String, CaseIterable {
    case textColumn = "text_column"
    case promptColumn = "prompt_column"
    case completionColumn = "completion_column"
    case threads, delimiter, quoting, escape
    case skipInitialSpace = "skip_initial_space"
    case header

    /// Sets the options for which there are keys.
    static func read(_ source: SettingsSource, into options: inout ReadingOptions) throws(SettingsError) {
        if let columns = try textColumn.columns(source) { options.textColumns = columns }
        if let exchange = try exchange(source) { options.exchange = exchange }
        options.table.hasThreads = try threads.flag(source) ?? false
        if options.table.hasThreads {
            for key in [textColumn, promptColumn] where try source.text(key.rawValue) != nil {
                throw threads.refusal(source, "false, or no \(key.rawValue)", "true")
            }
        }
        if let byte = try delimiter.byte(source, except: "\"\r\n") { options.table.delimiter = byte }
        options.table.quoting = try source.word(quoting.rawValue, as: TableQuoting.self)
        if let byte = try escape.byte(source, except: "\"\r\n,;\t ") { options.table.escape = byte }
        options.table.skipsInitialSpace = try skipInitialSpace.flag(source)
        options.table.hasHeader = try header.flag(source)
        if let escape = options.table.escape, escape == options.table.delimiter {
            throw self.escape.refusal(source, "a character other than the delimiter", "the same")
        }
    }

    /// Reads the columns of a prompt and a completion, which are set together.
    private static func exchange(_ source: SettingsSource) throws(SettingsError) -> ExchangeColumns? {
        let (prompt, completion) = (try promptColumn.columns(source), try completionColumn.columns(source))
        guard let prompt, let completion else {
            if prompt == nil, completion == nil { return nil }
            let (set, other) =
                prompt == nil ? (completionColumn, promptColumn) : (promptColumn, completionColumn)
            throw set.refusal(source, "\(other.rawValue) with it", "only \(set.rawValue)")
        }
        for (key, columns) in [(promptColumn, prompt), (completionColumn, completion)] where columns.count > 1 {
            throw key.refusal(source, "one column, by name or number", "\(columns.count)")
        }
        guard prompt != completion else {
            throw completionColumn.refusal(source, "another column than prompt_column", "the same")
        }
        if try textColumn.columns(source) != nil {
            throw textColumn.refusal(
                source, "either text_column, or prompt_column and completion_column", "both")
        }
        return ExchangeColumns(prompt: prompt[0], completion: completion[0])
    }

    private func columns(_ source: SettingsSource) throws(SettingsError) -> [String]? {
        guard let columns = try source.list(rawValue) else { return nil }
        guard (1...ReadingOptions.mostTextColumns).contains(columns.count), !columns.contains("") else {
            throw refusal(
                source, "1 to \(ReadingOptions.mostTextColumns) columns, by name or number", "\(columns.count)")
        }
        if let long = columns.first(where: { $0.utf8.count > ReadingOptions.longestTextColumn }) {
            throw refusal(
                source, "names of at most \(ReadingOptions.longestTextColumn) bytes, or numbers of columns",
                "\(long.utf8.count) bytes")
        }
        return columns
    }

    private func byte(_ source: SettingsSource, except others: String) throws(SettingsError) -> UInt8? {
        guard let text = try source.text(rawValue) else { return nil }
        guard text.utf8.count == 1, let byte = text.utf8.first, byte < 0x80, !others.utf8.contains(byte) else {
            let example = self == .escape ? "\"\\\\\"" : "\";\" or \"\\t\""
            throw refusal(source, "one ASCII character, such as \(example)", "‘\(text)’")
        }
        return byte
    }

    private func flag(_ source: SettingsSource) throws(SettingsError) -> Bool? {
        guard let text = try source.text(rawValue) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default: throw refusal(source, "true or false", "‘\(text)’")
        }
    }

    private func refusal(_ source: SettingsSource, _ expected: String, _ found: String) -> SettingsError {
        SettingsError(place: source.place(of: rawValue), key: rawValue, expected: expected, found: found)
    }
}
