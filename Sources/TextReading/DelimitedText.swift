/// Reads a table: CSV as Python's `csv` does (RFC 4180), and its variants, which are recognized from the first rows. Each
/// row becomes a record of the text in the text columns, a conversation of a message and a reply in two columns, or a
/// message of a thread.
///
/// Memory is bounded by the sample, by one row and by the ids of threads. Time is linear in the input.
struct DelimitedText: RecordReader {
    private(set) var documents = 0
    private(set) var warnings: [String] = []
    private var threads: ThreadRows?
    private let makeSpool: () throws -> any TextSpool
    private let usual: UInt8
    private let options: TableOptions
    private let wanted: WantedColumns
    private let limit: Int
    private let sampleBytes: Int
    private let threadRows: Int

    /// The input; the bytes before `offset` have been consumed.
    private var buffer: [UInt8] = []
    private var offset = 0
    /// Number of bytes in which no line end was found.
    private var searched = 0
    private var firstLineEnd: Int?
    private var layout: TableLayout?
    private var rows: RowReader!
    private var isHeader = false
    private var record: [UInt8] = []
    private var value: [UInt8] = []
    /// For each column that is read, its index among the fields that the parser keeps.
    private var order: [Int] = []

    // Findings about the rows.
    private var rowCount = 0
    private var tooShort = RowCount()
    private var withoutText = RowCount()
    private var tooLarge = RowCount()
    private var tooLong = RowCount()
    private var manyLines = RowCount()
    private var mostLines = 0
    private var surplusFields = 0

    /// - Parameters:
    ///   - delimiter: the usual delimiter of such files
    ///   - makeSpool: returns space for the texts of threads
    init(delimiter: UInt8, options: ReadingOptions, makeSpool: @escaping () throws -> any TextSpool) {
        usual = delimiter
        self.makeSpool = makeSpool
        self.options = options.table
        wanted = WantedColumns(options, inTable: true)
        limit = options.maxRecordBytes
        sampleBytes = options.sampleBytes
        threadRows = options.threadRows
    }

    var formatDescription: String {
        guard let layout else { return "CSV" }
        let kind =
            switch layout.dialect.delimiter {
            case nil: "table with one column"
            case UInt8(ascii: "\t")?: "table separated by tabs"
            case let delimiter?: "CSV with delimiter \(TableDialect.name(delimiter))"
            }
        let count =
            switch layout.columns {
            case .texts: ReadingAdvice.count(rowCount, "row")
            case .exchange: ReadingAdvice.count(documents, "conversation")
            case .thread: "\(ReadingAdvice.count(rowCount, "row")) in \(ReadingAdvice.count(documents, "conversation"))"
            }
        return "\(kind), \(count)" + (layout.hasHeader ? "" : ", no header")
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        buffer.append(contentsOf: bytes)
        if layout == nil {
            if firstLineEnd == nil {
                firstLineEnd = buffer[searched...].firstIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
                searched = buffer.count
            }
            guard let firstLineEnd else {
                if buffer.count > max(limit, sampleBytes) {
                    throw lineLimitReason("the row", line: 1, limit)
                }
                return
            }
            let count = max(sampleBytes, firstLineEnd + 1)
            guard buffer.count >= count else { return }
            try examine(buffer[..<count].lastIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }! + 1)
        }
        try readRows(.open, to: &output)
    }

    mutating func finish(to output: inout [UInt8]) throws {
        if layout == nil { try examine(buffer.count, isWhole: true) }
        try readRows(.last, to: &output)
        try settle()
        try threads?.check(rows: rowCount)
    }

    mutating func proceed(to output: inout [UInt8]) throws -> Bool {
        guard var threads else { return false }
        self.threads = nil
        let hasMore = try threads.proceed(to: &output)
        documents = threads.conversations
        if hasMore { self.threads = threads } else { warnings += threads.warnings(rows: rowCount) }
        return hasMore
    }

    private mutating func examine(_ count: Int, isWhole: Bool = false) throws {
        let layout = try buffer.withUnsafeBufferPointer { buffer in
            try TableLayout(
                UnsafeBufferPointer(rebasing: buffer[..<count]), isWhole: isWhole, usual: usual, options: options,
                wanted: wanted, limit: limit)
        }
        let columns = layout.columns.all
        rows = RowReader(layout.dialect, limit: limit, wanted: columns, firstLine: layout.firstLine)
        rows.columns = layout.columnCount
        rows.shapes = layout.shapes
        isHeader = layout.hasHeader
        offset = layout.start
        // Fields are kept in the order of the columns.
        let kept = Set(columns).sorted()
        order = columns.map { kept.firstIndex(of: $0)! }
        warnings = layout.warnings
        if case .thread = layout.columns { threads = ThreadRows(mostRows: threadRows, makeSpool: makeSpool) }
        self.layout = layout
    }

    private mutating func readRows(_ end: RowReader.End, to output: inout [UInt8]) throws {
        // Moved out, because the bytes are used while the counts change.
        let bytes = buffer
        buffer = []
        try bytes.withUnsafeBufferPointer { bytes in
            while let row = try rows.next(bytes, &offset, end) {
                if isHeader { isHeader = false } else { try take(row, to: &output) }
                offset += row.count
                rows.finishRow(row)
            }
        }
        buffer = bytes
        buffer.removeFirst(offset)
        offset = 0
    }

    private mutating func take(_ row: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) throws {
        let (parser, columnCount) = (rows.parser, layout!.columnCount)
        // A line of white space is not a row.
        if parser.fieldCount == 1, row.allSatisfy({ $0 <= 0x20 }) { return }
        rowCount += 1
        if parser.lastFilled >= columnCount, layout!.dialect.delimiter != nil {
            if tooLong.count == 0 { surplusFields = parser.fieldCount }
            tooLong.add(line: rows.line)
        }
        if parser.lineBreaks + 1 >= RowReader.manyLines {
            manyLines.add(line: rows.line)
            mostLines = max(mostLines, parser.lineBreaks + 1)
        }
        switch layout!.columns {
        case .texts: storeRecord(row, to: &output)
        case .exchange(_, _, let system, let input):
            storeExchange(row, hasSystem: system != nil, hasInput: input != nil, to: &output)
        case .thread: try storeMessage(row, to: &output)
        }
    }

    /// Reads the text of a column into `value`.
    /// - Parameter index: the index of the column among those that are read
    /// - Returns: false if it has no value
    private mutating func readValue(_ index: Int, of row: UnsafeBufferPointer<UInt8>) -> Bool {
        value.removeAll(keepingCapacity: true)
        guard order[index] < rows.parser.fields.count else { return false }
        rows.parser.append(rows.parser.fields[order[index]], of: row, to: &value)
        return !MissingValue.isMark(value)
    }

    private mutating func storeRecord(_ row: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        record.removeAll(keepingCapacity: true)
        for index in order.indices where readValue(index, of: row) {
            if !record.isEmpty { record.append(UInt8(ascii: " ")) }
            record.append(contentsOf: value)
        }
        if output.appendRecord(record) { documents += 1 } else { leaveOut(isTooShort: rows.parser.fields.isEmpty) }
    }

    private mutating func storeExchange(
        _ row: UnsafeBufferPointer<UInt8>, hasSystem: Bool, hasInput: Bool, to output: inout [UInt8]
    ) {
        let prompt = readValue(0, of: row) ? value : []
        let completion = readValue(1, of: row) ? value : []
        let system = hasSystem && readValue(2, of: row) ? value : []
        let input = hasInput && readValue(hasSystem ? 3 : 2, of: row) ? value : []
        guard let line = Exchange.line(system: system, prompt: prompt, input: input, completion: completion) else {
            return leaveOut(isTooShort: max(order[0], order[1]) >= rows.parser.fields.count)
        }
        guard line.count <= ConversationRecords.mostBytes else { return tooLarge.add(line: rows.line) }
        output += line
        output.append(UInt8(ascii: "\n"))
        documents += 1
    }

    private mutating func storeMessage(_ row: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) throws {
        record.removeAll(keepingCapacity: true)
        guard readValue(0, of: row), record.appendRecord(value) else {
            return leaveOut(isTooShort: order[0] >= rows.parser.fields.count)
        }
        let others = (1..<4).map { readValue($0, of: row) ? value.trimmedSpaces : [] }
        let isStored = try threads!.add(
            record.dropLast(), id: others[0], answering: others[1], inbound: others[2], line: rows.line, to: &output)
        if !isStored { tooLarge.add(line: rows.line) }
    }

    private mutating func leaveOut(isTooShort: Bool) {
        if isTooShort { tooShort.add(line: rows.line) } else { withoutText.add(line: rows.line) }
    }

    // MARK: Result

    /// Decides whether the table was understood, and describes what is missing.
    private mutating func settle() throws {
        guard let layout else { return }
        guard rowCount > 0 else { throw RejectionError("has no row with text in \(columnText(layout))") }
        let missing = tooShort.count + withoutText.count
        let lines = [tooShort, withoutText].filter { $0.count > 0 }.map(\.firstLine)
        if missing > 0 {
            let sentence = "\(missing) of \(rowCount) rows have no text in \(columnText(layout))"
            let example = "the first on line \(lines.min()!)"
            let parts =
                tooShort.count == 0
                ? "" : ", \(tooShort.count) of them because they have too few fields"
            guard !RowCount.isTooMuch(missing, of: rowCount) else {
                throw reason("\(sentence), \(example)\(parts)", layout)
            }
            warnings.append("\(sentence) and were left out, \(example)\(parts)")
        }
        warnings += try Exchange.warnings(tooLarge: tooLarge, of: rowCount, "rows")
        if tooLong.count > 0 {
            let sentence =
                "\(tooLong.count) of \(rowCount) rows have more fields than the \(layout.columnCount) of the "
                + "\(layout.hasHeader ? "header" : "table"), the first on line \(tooLong.firstLine) with "
                + "\(surplusFields)"
            guard !tooLong.isTooMuch(of: rowCount) else {
                let delimiter = layout.dialect.delimiter.map(TableDialect.name) ?? ""
                throw RejectionError(
                    "\(sentence). Put fields that contain \(delimiter) in quote marks. If another character divides the "
                        + "fields: \(ReadingAdvice.set("delimiter"))")
            }
            warnings.append("\(sentence): the surplus fields were left out")
        }
        if manyLines.count > 0 {
            warnings.append(
                "\(manyLines.count) of \(rowCount) rows span \(RowReader.manyLines) lines or more, the first from line "
                    + "\(manyLines.firstLine), the longest over \(mostLines) lines. If they contain other rows, quote marks are text. "
                    + ReadingAdvice.change("quoting: none"))
        }
        if rows.strays.count > 0 {
            let marks =
                rows.strays.count == 1
                ? "1 quote mark that encloses no field was"
                : "\(rows.strays.count) quote marks that enclose no field were"
            warnings.append("\(marks) taken as text, the first on line \(rows.strays.firstLine)")
        }
    }

    private func columnText(_ layout: TableLayout) -> String {
        let names = layout.columns.required.map { index in
            layout.hasHeader && !layout.names[index].isEmpty
                ? ReadingAdvice.quoted(layout.names[index]) : "\(index + 1)"
        }
        return switch layout.columns {
        case .texts, .thread: "column " + names.joined(separator: ", ")
        case .exchange: "columns " + names.joined(separator: " and ")
        }
    }

    private func reason(_ sentence: String, _ layout: TableLayout) -> RejectionError {
        let names = layout.hasHeader ? "; the columns are \(ReadingAdvice.list(layout.names))" : ""
        if case .thread = layout.columns { return RejectionError(sentence + names) }
        guard case .texts(let textColumns) = layout.columns else {
            return RejectionError(
                "\(sentence)\(names). \(ReadingAdvice.set("prompt_column and completion_column")), or text_column to read "
                    + "them as texts")
        }
        guard let other = layout.otherProse else { return RejectionError(sentence + names) }
        // Of rows with text in either column, none is lost.
        let columns = documents > 0 ? textColumns + [other] : [other]
        return RejectionError(
            "\(sentence)\(names). \(ReadingAdvice.set(ColumnName.advice(columns, in: layout.names)))")
    }
}

extension [UInt8] {
    /// The bytes without spaces at either end.
    fileprivate var trimmedSpaces: [UInt8] {
        let isSpace = { (byte: UInt8) in byte <= 0x20 }
        return Array(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
