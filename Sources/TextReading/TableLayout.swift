/// The dialect, header and text columns of a table, decided from the settings and a sample of its first rows.
struct TableLayout {
    let dialect: TableDialect
    /// Offset and line of the first row.
    let start: Int
    let firstLine: Int
    let hasHeader: Bool
    /// Names of the columns, empty without a header.
    let names: [String]
    let columnCount: Int
    /// The columns that are read, texts in the order in which they were asked for.
    let columns: TableColumns
    let shapes: [ColumnShape?]
    /// The column with the longest text besides these.
    let otherProse: Int?
    private(set) var warnings: [String] = []

    /// Delimiters that are recognized.
    private static let delimiters = ",;\t|".utf8

    /// - Parameters:
    ///   - sample: whole lines from the start of the input
    ///   - isWhole: whether that is all of it
    ///   - usual: the delimiter that the file name implies
    /// - Throws: `RejectionError` if the text column cannot be found
    init(
        _ sample: UnsafeBufferPointer<UInt8>, isWhole: Bool, usual: UInt8, options: TableOptions, wanted: WantedColumns,
        limit: Int
    ) throws {
        let marker = Self.marker(sample)
        let rest = UnsafeBufferPointer(rebasing: sample[(marker?.length ?? 0)...])
        let trials = Trials(sample: rest, isWhole: isWhole, options: options, limit: limit)
        let trial = try Self.choose(trials, fixed: options.delimiter ?? marker?.delimiter, usual: usual, wanted)
        guard trial.rows > 0 else {
            if let reason = Self.reasonWithoutRows(trial.dialect, rest, isWhole: isWhole, limit: limit) { throw reason }
            throw RejectionError("has no header row")
        }
        guard trial.columnCount <= RowParser.mostColumns else {
            throw RejectionError(
                "has \(trial.columnCount) columns, more than the maximum of \(RowParser.mostColumns): "
                    + "remove unneeded columns")
        }
        dialect = trial.dialect
        start = marker?.length ?? 0
        firstLine = marker == nil ? 1 : 2
        shapes = trial.columns.map(\.shape)
        let first = trial.first.map(ColumnName.text)
        let named = wanted.named(in: first)
        hasHeader = options.hasHeader ?? (named != nil || trial.hasHeader)
        names = hasHeader ? first : []
        columnCount = hasHeader ? trial.columnCount : max(1, trial.usual.columns)
        let numbers = 1...max(1, columnCount)
        let indexes = hasHeader ? ColumnName.indexes(of: wanted.names, in: first) : wanted.names.map { _ in nil }
        let numbered = zip(wanted.names, indexes).map { name, index in
            index ?? Int(name).flatMap { numbers.contains($0) ? $0 - 1 : nil }
        }
        if hasHeader, let named {
            columns = named
        } else if !numbered.contains(nil) {
            columns = wanted.columns(numbered.compactMap(\.self))
        } else if !hasHeader, !wanted.isChosen, let prose = trial.prose() {
            columns = .texts([prose])
            if columnCount > 1 {
                warnings.append(
                    "has no header row: column \(prose + 1) of \(columnCount) was taken as the text. "
                        + ReadingAdvice.change("text_column: NUMBER"))
            }
        } else {
            let missing = zip(wanted.names, numbered).filter { $1 == nil }.map(\.0)
            throw Self.reasonWithoutColumn(missing, trial, wanted, hasHeader: hasHeader, names: first)
        }
        otherProse = trial.prose(except: columns.all)
    }

    // MARK: Dialect

    /// A first line `sep=;`, as written for Excel.
    private static func marker(_ sample: UnsafeBufferPointer<UInt8>) -> (delimiter: UInt8, length: Int)? {
        let line = sample.prefix(16).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        var text = Array(line)
        if text.count > 2, text.first == TableDialect.quote, text.last == TableDialect.quote {
            text = Array(text.dropFirst().dropLast())
        }
        guard text.count == 5, text.starts(with: "sep=".utf8), text[4] < 0x80, text[4] != TableDialect.quote else {
            return nil
        }
        let isPair = sample.dropFirst(line.count).starts(with: "\r\n".utf8)
        return (text[4], min(sample.count, line.count + (isPair ? 2 : 1)))
    }

    /// The dialects in which a sample can be read.
    private struct Trials {
        let sample: UnsafeBufferPointer<UInt8>
        let isWhole: Bool
        let options: TableOptions
        let limit: Int

        func best(_ delimiter: UInt8?) -> TableTrial {
            var dialect = TableDialect(delimiter: delimiter)
            dialect.quoting = options.quoting ?? .minimal
            dialect.escape = options.escape
            dialect.skipsInitialSpace = options.skipsInitialSpace ?? false
            var best = trial(dialect)
            guard best.cost > 0 || best.fitting < best.rows || best.rows == 0 else { return best }
            let quote = TableDialect.quote
            var others: [TableDialect] = []
            let (spaces, escapes) = (
                options.skipsInitialSpace == nil && contains([delimiter ?? quote, UInt8(ascii: " "), quote]),
                options.escape == nil && contains([UInt8(ascii: "\\"), quote])
            )
            for (space, escape) in [(true, false), (false, true), (true, true)]
            where (spaces || !space) && (escapes || !escape) {
                var other = dialect
                if space { other.skipsInitialSpace = true }
                if escape { other.escape = UInt8(ascii: "\\") }
                others.append(other)
            }
            if options.quoting == nil {
                dialect.quoting = .none
                others.append(dialect)
            }
            for other in others.map(trial) where other.isBetter(than: best) { best = other }
            return best
        }

        /// The delimiters in the first line.
        func delimiters(usual: UInt8) -> [UInt8] {
            let line = sample.drop { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
                .prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            return ([usual] + TableLayout.delimiters.filter { $0 != usual }).filter { line.contains($0) }
        }

        private func trial(_ dialect: TableDialect) -> TableTrial {
            TableTrial(dialect, sample, isWhole: isWhole, limit: limit)
        }

        private func contains(_ sequence: [UInt8]) -> Bool {
            sample.indices.contains { index in
                sample[index] == sequence[0] && sample[index...].prefix(sequence.count).elementsEqual(sequence)
            }
        }
    }

    private static func choose(_ trials: Trials, fixed: UInt8?, usual: UInt8, _ wanted: WantedColumns) throws
        -> TableTrial
    {
        let options = trials.options
        func isNamed(_ trial: TableTrial) -> Bool {
            options.hasHeader != false && wanted.named(in: trial.first.map(ColumnName.text)) != nil
        }
        if let fixed {
            let trial = trials.best(fixed)
            if trial.columnCount == 1 { try refuseOtherDelimiter(trials, than: fixed, trial, isNamed) }
            return trial
        }
        var best: TableTrial?
        for trial in trials.delimiters(usual: usual).map(trials.best) where trial.columnCount > 1 {
            guard let current = best else {
                best = trial
                continue
            }
            let (isNew, isOld) = (isNamed(trial), isNamed(current))
            let (new, old) = (trial.usual.rows * current.rows, current.usual.rows * trial.rows)
            let isBetter = isNew != isOld ? isNew : new != old ? new > old : trial.cost < current.cost
            if isBetter { best = trial }
        }
        if let best, isNamed(best) || options.hasHeader == true || best.hasHeader { return best }
        if let best, best.usual.rows * 5 >= best.rows * 4, !best.isPunctuation { return best }
        // A table of one column, whose commas are part of the text.
        let lines = trials.best(nil)
        try refuseOtherDelimiter(trials, than: nil, lines, isNamed)
        guard best?.isPunctuation ?? true else {
            throw RejectionError(
                "has no delimiter that divides its rows into the same number of fields. "
                    + ReadingAdvice.set("delimiter, header and text_column"))
        }
        return lines
    }

    /// Refuses a table whose rows would be taken as text with their delimiters.
    private static func refuseOtherDelimiter(
        _ trials: Trials, than fixed: UInt8?, _ trial: TableTrial, _ isNamed: (TableTrial) -> Bool
    ) throws {
        for delimiter in delimiters where delimiter != fixed {
            let other = trials.best(delimiter)
            let (columns, rows) = other.usual
            guard columns > 1, rows * 10 >= other.rows * 9, !other.isPunctuation,
                other.columnCount == columns && other.hasHeader || other.columns.contains(where: { $0.shape != nil })
                    || isNamed(other)
            else { continue }
            let found =
                "\(rows) of \(other.rows) rows have \(columns) fields with the delimiter "
                + TableDialect.name(delimiter)
            guard let fixed else {
                // Only the first line has none.
                guard other.columnCount != columns else { continue }
                throw RejectionError(
                    "has 1 field in its first row, but \(found): the first row must be a row of the table")
            }
            throw RejectionError(
                "has no delimiter \(TableDialect.name(fixed)) in its first row, but \(found). "
                    + ReadingAdvice.set("delimiter: \(TableDialect.yaml(delimiter))"))
        }
    }

    // MARK: Reasons

    private static func reasonWithoutRows(
        _ dialect: TableDialect, _ sample: UnsafeBufferPointer<UInt8>, isWhole: Bool, limit: Int
    ) -> RejectionError? {
        var reader = RowReader(dialect, limit: limit, wanted: nil, firstLine: 1)
        var offset = 0
        do {
            let row = try reader.next(sample, &offset, isWhole ? .last : .sample)
            guard row == nil, offset < sample.count else { return nil }
            return RejectionError("line 1: the row has a quoted field that is not closed within \(sample.count) bytes")
        } catch {
            return error as? RejectionError
        }
    }

    private static func reasonWithoutColumn(
        _ missing: [String], _ trial: TableTrial, _ wanted: WantedColumns, hasHeader: Bool, names: [String]
    ) -> RejectionError {
        let what = "has no column \(ReadingAdvice.list(missing))"
        guard !wanted.isThread else {
            let columns = ThreadRows.columns.joined(separator: ", ")
            return RejectionError(
                "\(what): ‘threads: true’ in .kbconfig.yaml is for tables with a header that names the columns \(columns)"
            )
        }
        let prose = trial.prose()
        guard hasHeader else {
            let setting =
                wanted.isExchange
                ? "prompt_column: NUMBER, completion_column: NUMBER"
                : "text_column: \(prose.map { "\($0 + 1)" } ?? "NUMBER")"
            return RejectionError(
                "\(what): its first row is not a header. " + ReadingAdvice.set("\(setting) and header: false"))
        }
        let columns = names.count == 1 ? "its column is" : "its \(names.count) columns are"
        let advice =
            wanted.isExchange
            ? "prompt_column and completion_column"
            : prose.map { ColumnName.advice([$0], in: names) } ?? "text_column"
        return RejectionError("\(what); \(columns) \(ReadingAdvice.list(names)). \(ReadingAdvice.set(advice))")
    }
}

/// Names of columns in a header.
enum ColumnName {
    static func text(_ field: [UInt8]) -> String { String(decoding: field, as: UTF8.self) }

    /// Returns the index of the last column with each name; white space around names in the header does not matter.
    static func indexes(of wanted: [String], in names: [String]) -> [Int?] {
        wanted.map { name in
            names.lastIndex(of: name)
                ?? names.lastIndex {
                    $0.utf8.count <= ReadingOptions.longestTextColumn && trimmed($0) == name
                }
        }
    }

    /// The setting that selects these columns: by name where that is possible.
    static func advice(_ indexes: [Int], in names: [String]) -> String {
        let values = indexes.map { index in
            let name = index < names.count ? trimmed(names[index]) : ""
            let isUnique = Self.indexes(of: [name], in: names) == [index]
            return isUnique ? ReadingAdvice.yaml(name) ?? "\(index + 1)" : "\(index + 1)"
        }
        return ReadingAdvice.textColumn(values)
    }

    private static func trimmed(_ name: String) -> String {
        String(name.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
