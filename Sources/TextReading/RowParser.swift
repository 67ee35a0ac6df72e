/// Splits the bytes of one row into fields, in the same way as Python's `_csv.c` (not strict): a quoted field may contain
/// delimiters and line ends; characters after its closing quote mark belong to it; a quote mark elsewhere is text.
///
/// The row may arrive in pieces: `parse` continues where it stopped. Positions are relative to the start of the row.
struct RowParser {
    struct Field {
        var start: Int
        var end: Int
        var isQuoted: Bool
        /// Whether the text differs from the bytes between the quote marks.
        var needsDecoding: Bool
    }

    enum Step {
        case needsMore
        /// The row is complete; its line end, if any, is included in `position`.
        case row
        /// The input ended in a quoted field.
        case unclosed
        case tooLong
    }

    private enum State {
        case startOfField, inField, inQuotes, quoteInQuotes, escapeInField, escapeInQuotes
    }

    /// Maximum number of columns.
    static let mostColumns = 4096

    let dialect: TableDialect
    private let limit: Int
    /// For each column up to the last wanted one, whether its fields are kept; nil keeps the first `mostColumns`.
    private let wanted: [Bool]?

    private(set) var position = 0
    /// The wanted fields, at most `mostColumns`.
    private(set) var fields: [Field] = []
    /// Number of all fields.
    private(set) var fieldCount = 0
    /// Index of the last field that is not empty, or -1.
    private(set) var lastFilled = -1
    /// Number of line ends inside quoted fields.
    private(set) var lineBreaks = 0
    /// Position of the quote mark that opened the first quoted field with a line end.
    private(set) var firstMultiline: Int?
    /// Position of the quote mark that closed it.
    private(set) var firstClosing: Int?
    /// Whether characters follow that.
    private(set) var isMultilineMalformed = false
    /// Numbers of quoted fields that are closed at a delimiter or line end, that are not, and of other fields with a
    /// quote mark; counted only if all fields are kept.
    private(set) var quoted = (closed: 0, malformed: 0, inside: 0)
    /// Number of fields that begin and end with a quote mark, although quoting is none.
    private(set) var enclosed = 0

    private var state = State.startOfField
    private var field = Field(start: 0, end: 0, isQuoted: false, needsDecoding: false)
    private var closing = 0
    private var isMultiline = false
    private var isAfterReturn = false
    /// Quote marks from here on are text.
    private var literalFrom = Int.max

    init(_ dialect: TableDialect, limit: Int, wanted: [Int]?) {
        self.dialect = dialect
        self.limit = limit
        self.wanted = wanted.map { columns in
            var flags = [Bool](repeating: false, count: (columns.max() ?? -1) + 1)
            for column in columns { flags[column] = true }
            return flags
        }
    }

    /// Starts a row, whose quote marks from `literalFrom` on are text.
    mutating func reset(literalFrom: Int = .max) {
        (position, fieldCount, lastFilled, lineBreaks) = (0, 0, -1, 0)
        (firstMultiline, firstClosing, isMultilineMalformed, enclosed) = (nil, nil, false, 0)
        quoted = (0, 0, 0)
        fields.removeAll(keepingCapacity: true)
        state = .startOfField
        (isMultiline, isAfterReturn) = (false, false)
        field = Field(start: 0, end: 0, isQuoted: false, needsDecoding: false)
        self.literalFrom = literalFrom
    }

    /// - Parameters:
    ///   - bytes: the row from its start, and what follows
    ///   - isLast: whether the input ends with these bytes
    mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>, isLast: Bool) -> Step {
        let (quote, newline, carriageReturn) = (TableDialect.quote, UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        // No byte of UTF-8 has these values.
        let delimiter = dialect.delimiter ?? 0xFF
        let escape = dialect.escape ?? 0xFE
        let hasQuotes = dialect.quoting != .none
        let end = min(bytes.count, limit + 1)
        while position < end {
            switch state {
            case .startOfField:
                let byte = bytes[position]
                if dialect.skipsInitialSpace, byte == UInt8(ascii: " ") {
                    position += 1
                    field.start = position
                } else if byte == quote, hasQuotes, position < literalFrom {
                    field.isQuoted = true
                    (isMultiline, isAfterReturn) = (false, false)
                    state = .inQuotes
                    position += 1
                } else {
                    state = .inField
                }
            case .inField:
                var index = position
                while index < end {
                    let byte = bytes[index]
                    if byte == delimiter || byte == newline || byte == carriageReturn || byte == escape { break }
                    index += 1
                }
                position = index
                guard index < end else { continue }
                if bytes[index] == escape {
                    field.needsDecoding = true
                    state = .escapeInField
                    position += 1
                } else {
                    endField(bytes)
                    position += 1
                    if bytes[index] != delimiter { return .row }
                    field = Field(start: position, end: 0, isQuoted: false, needsDecoding: false)
                    state = .startOfField
                }
            case .inQuotes:
                var index = position
                while index < end {
                    let byte = bytes[index]
                    if byte == quote || byte == escape { break }
                    if byte == newline || byte == carriageReturn {
                        if byte == carriageReturn || !isAfterReturn { lineBreaks += 1 }
                        isAfterReturn = byte == carriageReturn
                        isMultiline = true
                        if firstMultiline == nil { firstMultiline = field.start }
                    } else {
                        isAfterReturn = false
                    }
                    index += 1
                }
                position = index
                guard index < end else { continue }
                isAfterReturn = false
                closing = index
                state = bytes[index] == quote ? .quoteInQuotes : .escapeInQuotes
                position += 1
            case .quoteInQuotes:
                if bytes[position] == quote {
                    field.needsDecoding = true
                    state = .inQuotes
                    position += 1
                } else {
                    state = .inField
                }
            case .escapeInField, .escapeInQuotes:
                field.needsDecoding = true
                let byte = bytes[position]
                if byte == newline || byte == carriageReturn { lineBreaks += 1 }
                isAfterReturn = byte == carriageReturn
                state = state == .escapeInField ? .inField : .inQuotes
                position += 1
            }
        }
        if position > limit { return .tooLong }
        guard isLast else { return .needsMore }
        if state == .inQuotes || state == .escapeInQuotes { return .unclosed }
        endField(bytes)
        return .row
    }

    /// Whether the row ended, or is, in a quoted field.
    var isInQuotes: Bool { state == .inQuotes || state == .escapeInQuotes || state == .quoteInQuotes }

    /// Position of the quote mark that opened the current field.
    var opening: Int { field.start }

    private mutating func endField(_ bytes: UnsafeBufferPointer<UInt8>) {
        field.end = position
        if field.isQuoted {
            let isClosed = bytes[closing + 1..<position].allSatisfy { $0 == UInt8(ascii: " ") }
            if closing + 1 != position { field.needsDecoding = true }
            if isClosed { quoted.closed += 1 } else { quoted.malformed += 1 }
            if isMultiline, field.start == firstMultiline {
                firstClosing = closing
                isMultilineMalformed = !isClosed
            }
            if position - field.start > 2 { lastFilled = fieldCount }
        } else if position > field.start {
            lastFilled = fieldCount
            if wanted == nil { countQuoteMarks(bytes[field.start..<position]) }
        }
        if let wanted {
            if fieldCount < wanted.count, wanted[fieldCount] { fields.append(field) }
        } else if fieldCount < Self.mostColumns {
            fields.append(field)
        }
        fieldCount += 1
    }

    private mutating func countQuoteMarks(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
        let quote = TableDialect.quote
        let isInside = bytes.indices.contains { index in
            bytes[index] == quote && (index == bytes.startIndex || bytes[index - 1] != dialect.escape)
        }
        guard isInside else { return }
        quoted.inside += 1
        if bytes.count > 1, bytes.first == quote, bytes.last == quote { enclosed += 1 }
    }

    /// Appends the text of a field of the row.
    func append(_ field: Field, of bytes: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
        guard field.needsDecoding else {
            let inset = field.isQuoted ? 1 : 0
            return text.append(contentsOf: bytes[field.start + inset..<field.end - inset])
        }
        var isInQuotes = field.isQuoted
        var index = field.start + (isInQuotes ? 1 : 0)
        while index < field.end {
            let byte = bytes[index]
            let next = index + 1 < field.end ? bytes[index + 1] : nil
            if byte == dialect.escape, let next {
                // Before any other character, it is one itself.
                if !isEscapable(next) { text.append(byte) }
                text.append(next)
                index += 2
            } else if isInQuotes, byte == TableDialect.quote {
                if next == TableDialect.quote {
                    text.append(byte)
                    index += 2
                } else {
                    isInQuotes = false
                    index += 1
                }
            } else {
                text.append(byte)
                index += 1
            }
        }
    }

    private func isEscapable(_ byte: UInt8) -> Bool {
        byte == TableDialect.quote || byte == dialect.escape || byte == dialect.delimiter
            || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }
}
