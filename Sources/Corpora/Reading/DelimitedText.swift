/// Reads CSV (RFC 4180) in the same way as Python's `csv.DictReader` (`_csv.c`, dialect `excel`, not strict): the first
/// row contains the column names, quoted fields may contain delimiters and line breaks, empty rows are skipped, surplus
/// fields are ignored, and a row that is too short to have the text column has no text. If several columns have the
/// same name, the last one is used.
///
/// Two inputs that Python accepts are rejected: a quoted field that is never closed, which would turn the rest of the
/// file into one record, and more than `mostColumns` columns. Time is linear in the input. Memory is bounded by the
/// text column: of the header, only the number of columns and the index of the text column are kept.
struct DelimitedText: RecordReader {
    private enum State {
        case startOfRecord, startOfField, inField, inQuotes, quoteInQuotes
    }

    /// Maximum number of columns.
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
    /// Index of the last column with the configured name, or nil if none was found so far.
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
            throw RejectionError("line \(quoteLine): unterminated quoted field")
        }
        if state != .startOfRecord {
            try endField()
            try endRecord(&output)
        }
        guard !isHeader else { throw RejectionError("has no header row") }
        guard documents > 0 else { throw RejectionError("has no row with text in column ‘\(column)’") }
    }

    private var tooLong: RejectionError {
        state == .inQuotes
            ? RejectionError(
                "line \(quoteLine): quoted field is not closed within \(limit) bytes, the limit set by "
                    + "inbox.max_record_bytes"
            )
            : lineLimitReason("the row", line: line, limit)
    }

    /// Whether the current field is needed. A header field that is longer than the configured name cannot match.
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
                throw RejectionError(
                    "has \(fieldIndex) columns, more than the maximum of \(Self.mostColumns): remove unneeded columns")
            }
            guard textIndex != nil else {
                throw RejectionError(
                    "has no column ‘\(column)’ among its \(fieldIndex) columns: set text_column in .kbconfig.yaml"
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
