/// CSV as RFC 4180 has it, read as Python's `csv.DictReader` does (`_csv.c`, the dialect `excel`, not strict): the first
/// row names the columns, fields in quotes may hold delimiters and line ends, rows without fields are passed over, what a
/// row has too much is left out, and a row that ends before the text has none. Of columns of one name the last counts.
///
/// Two things Python takes are refused: a quote that is never closed, which would make one record of the rest of the file,
/// and more columns than `mostColumns`. Work and memory grow with the bytes alone: of the columns only the number is kept,
/// and where the text is.
struct DelimitedText: RecordReader {
    private enum State {
        case startOfRecord, startOfField, inField, inQuotes, quoteInQuotes
    }

    /// Columns a table may have.
    static let mostColumns = 4096

    private(set) var documents = 0
    private let delimiter: UInt8
    private let column: String
    private let limit: Int

    private var state = State.startOfRecord
    private var isAfterReturn = false
    private var line = 1
    private var quoteLine = 1
    private var isHeader = true
    /// Of the columns with the text's name the last: nil until one was found.
    private var textIndex: Int?
    private let columnBytes: [UInt8]
    private var field: [UInt8] = []
    private var fieldIndex = 0
    private var recordBytes = 0
    private var text: [UInt8]?

    init(delimiter: UInt8, column: String, limit: Int) {
        self.delimiter = delimiter
        self.column = column
        columnBytes = Array(column.utf8)
        self.limit = limit
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        let quote = UInt8(ascii: "\"")
        for byte in bytes {
            let isNewline = byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
            let endsReturn = isAfterReturn && byte == UInt8(ascii: "\n")
            isAfterReturn = byte == UInt8(ascii: "\r")
            if isNewline, !endsReturn { line += 1 }
            if !isNewline || state == .inQuotes {
                recordBytes += 1
                if recordBytes > limit { throw tooLong }
            }
            switch state {
            case .startOfRecord where isNewline: continue
            case .startOfRecord, .startOfField:
                if isNewline {
                    try endField()
                    try endRecord(&output)
                } else if byte == quote {
                    quoteLine = line
                    state = .inQuotes
                } else if byte == delimiter {
                    try endField()
                    state = .startOfField
                } else {
                    take(byte)
                    state = .inField
                }
            case .inField, .quoteInQuotes:
                if state == .quoteInQuotes, byte == quote {
                    take(byte)
                    state = .inQuotes
                } else if isNewline {
                    try endField()
                    try endRecord(&output)
                } else if byte == delimiter {
                    try endField()
                    state = .startOfField
                } else {
                    take(byte)
                    state = .inField
                }
            case .inQuotes:
                if byte == quote { state = .quoteInQuotes } else { take(byte) }
            }
        }
    }

    mutating func finish(to output: inout [UInt8]) throws {
        guard state != .inQuotes else {
            throw Unusable("line \(quoteLine): a quote is opened there and never closed")
        }
        if state != .startOfRecord {
            try endField()
            try endRecord(&output)
        }
        guard !isHeader else { throw Unusable("has no row that names the columns") }
        guard documents > 0 else { throw Unusable("has no row with text in its column ‘\(column)’") }
    }

    private var tooLong: Unusable {
        state == .inQuotes
            ? Unusable(
                "line \(quoteLine): a quote is opened there and not closed within inbox.max_record_bytes, which is \(limit)"
            )
            : lineLimitReason("a row", line: line, limit)
    }

    /// Of a name in the header, only whether it is the text's counts.
    private var isWanted: Bool { isHeader ? field.count <= columnBytes.count : fieldIndex == textIndex }

    private mutating func take(_ byte: UInt8) {
        if isWanted { field.append(byte) }
    }

    private mutating func endField() throws {
        if isHeader {
            if field == columnBytes { textIndex = fieldIndex }
        } else if isWanted {
            text = field
        }
        field.removeAll(keepingCapacity: true)
        fieldIndex += 1
    }

    private mutating func endRecord(_ output: inout [UInt8]) throws {
        if isHeader {
            guard fieldIndex <= Self.mostColumns else {
                throw Unusable(
                    "has \(fieldIndex) columns; a table may have \(Self.mostColumns): keep those that are needed")
            }
            guard textIndex != nil else {
                throw Unusable(
                    "column ‘\(column)’ is not among its columns, of which there are \(fieldIndex): "
                        + "text_column in .kbconfig.yaml names another"
                )
            }
            isHeader = false
        } else if let text, output.appendRecord(text) {
            documents += 1
        }
        text = nil
        fieldIndex = 0
        recordBytes = 0
        state = .startOfRecord
    }
}
