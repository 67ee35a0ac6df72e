/// CSV as RFC 4180 has it, read as Python's `csv.DictReader` does (`_csv.c`, the dialect `excel`, not strict): the first
/// row names the columns, fields in quotes may hold delimiters and line ends, rows without fields are passed over, what a
/// row has too much is left out, and a row that ends before the text has none. Of columns of one name the last counts.
///
/// One thing Python takes is refused: a quote that is never closed, which would make one record of the rest of the file.
struct DelimitedText: RecordReader {
    private enum State {
        case startOfRecord, startOfField, inField, inQuotes, quoteInQuotes
    }

    private(set) var documents = 0
    private let delimiter: UInt8
    private let column: String
    private let limit: Int

    private var state = State.startOfRecord
    private var isAfterReturn = false
    private var line = 1
    private var quoteLine = 1
    /// The fields of the header until it is over; then the places of the text's columns.
    private var header: [[UInt8]]? = []
    private var textIndexes: [Int] = []
    private var field: [UInt8] = []
    private var fieldIndex = 0
    private var recordBytes = 0
    private var text: [UInt8]?

    init(delimiter: UInt8, column: String, limit: Int) {
        self.delimiter = delimiter
        self.column = column
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
        guard header == nil else { throw Unusable("has no row that names the columns") }
        guard documents > 0 else { throw Unusable("has no row with text in its column ‘\(column)’") }
    }

    private var tooLong: Unusable {
        state == .inQuotes
            ? Unusable(
                "line \(quoteLine): a quote is opened there and not closed within inbox.max_record_bytes, which is \(limit)"
            )
            : lineLimitReason("a row", line: line, limit)
    }

    private var isWanted: Bool { header != nil || textIndexes.contains(fieldIndex) }

    private mutating func take(_ byte: UInt8) {
        if isWanted { field.append(byte) }
    }

    private mutating func endField() throws {
        if header != nil {
            header!.append(field)
        } else if isWanted {
            text = field
        }
        field.removeAll(keepingCapacity: true)
        fieldIndex += 1
    }

    private mutating func endRecord(_ output: inout [UInt8]) throws {
        if let names = header {
            let found = names.map { String(decoding: $0, as: UTF8.self) }
            textIndexes = found.indices.filter { found[$0] == column }
            guard !textIndexes.isEmpty else {
                let columns = found.prefix(20).map { "‘\($0)’" }.joined(separator: ", ")
                let more = found.count > 20 ? " and \(found.count - 20) more" : ""
                throw Unusable(
                    "has no column ‘\(column)’; there are \(columns)\(more): say which by text_column")
            }
            header = nil
        } else if let text, output.appendRecord(text) {
            documents += 1
        }
        text = nil
        fieldIndex = 0
        recordBytes = 0
        state = .startOfRecord
    }
}
