/// Finds the rows of a table, and quote marks that are part of the text although they stand at the beginning of a field:
/// such a mark would swallow all rows up to the next one.
///
/// A quoted field over several lines is taken for such text if the lines in it are rows of the table themselves: they
/// have its number of fields, and numbers and single words where the table has them. Where the field is closed as it
/// should be and the row is complete, this has to be evident.
struct RowReader {
    enum End {
        /// More input may follow.
        case open
        /// The end of a sample of the input.
        case sample
        case last
    }

    /// Number of lines from which a record is reported as unusually long.
    static let manyLines = 100
    private static let mostLinesCompared = 1000
    private static let evidentLines = 20

    private(set) var parser: RowParser
    /// Number of columns; nil before the first row.
    var columns: Int?
    var shapes: [ColumnShape?] = []
    /// Line on which the current row begins.
    private(set) var line: Int
    /// Quote marks that were taken as text.
    private(set) var strays = RowCount()

    private let dialect: TableDialect
    private let limit: Int
    private var lineParser: RowParser
    private var isLiteral = false
    private var isAfterReturn = false

    init(_ dialect: TableDialect, limit: Int, wanted: [Int]?, firstLine: Int) {
        self.dialect = dialect
        self.limit = limit
        line = firstLine
        parser = RowParser(dialect, limit: limit, wanted: wanted)
        lineParser = RowParser(dialect, limit: limit, wanted: nil)
    }

    /// Number of line ends in the row, without the last.
    var lineBreaks: Int { parser.lineBreaks }

    /// Reads the row at `offset`, or continues to, and skips empty rows before it.
    /// - Returns: the bytes of the row, which begin at the new `offset`; nil if it is not complete
    /// - Throws: `RejectionError` if a row is too long or a quoted field is not closed
    mutating func next(_ input: UnsafeBufferPointer<UInt8>, _ offset: inout Int, _ end: End) throws
        -> UnsafeBufferPointer<UInt8>?
    {
        skipEmptyRows(input, &offset)
        guard offset < input.count else { return nil }
        let bytes = UnsafeBufferPointer(rebasing: input[offset...])
        while true {
            switch parser.parse(bytes, isLast: end == .last) {
            case .needsMore:
                guard end == .sample, parser.isInQuotes, becomesLiteral(bytes, at: parser.opening, isCut: true) else {
                    return nil
                }
            case .row:
                let row = UnsafeBufferPointer(rebasing: bytes[..<parser.position])
                guard let opening = parser.firstMultiline,
                    becomesLiteral(
                        row, at: opening,
                        isUncertain: parser.isMultilineMalformed || columns.map { $0 != parser.fieldCount } ?? false)
                else { return row }
            case .unclosed:
                guard becomesLiteral(bytes, at: parser.opening) else {
                    throw RejectionError(
                        "line \(line): the row has a quoted field that is not closed. "
                            + ReadingAdvice.set("quoting: none") + " if quote marks are part of the text")
                }
            case .tooLong:
                let start = UnsafeBufferPointer(rebasing: bytes[..<min(limit, bytes.count)])
                guard parser.isInQuotes else { throw lineLimitReason("the row", line: line, limit) }
                guard becomesLiteral(start, at: parser.opening, isCut: true) else {
                    throw RejectionError(
                        "line \(line): the row has a quoted field that is not closed within \(limit) bytes, the limit "
                            + "set by inbox.max_record_bytes")
                }
            }
        }
    }

    /// Proceeds to the row after the one that `next` returned.
    mutating func finishRow(_ row: UnsafeBufferPointer<UInt8>) {
        line += parser.lineBreaks
        switch row.last {
        case UInt8(ascii: "\n")?:
            line += 1
            isAfterReturn = false
        case UInt8(ascii: "\r")?:
            line += 1
            isAfterReturn = true
        default: isAfterReturn = false
        }
        parser.reset()
        isLiteral = false
    }

    private mutating func skipEmptyRows(_ input: UnsafeBufferPointer<UInt8>, _ offset: inout Int) {
        guard parser.position == 0, !isLiteral else { return }
        while offset < input.count {
            switch input[offset] {
            case UInt8(ascii: "\n"):
                if !isAfterReturn { line += 1 }
                isAfterReturn = false
            case UInt8(ascii: "\r"):
                line += 1
                isAfterReturn = true
            default: return
            }
            offset += 1
        }
    }

    /// Restarts the row with a literal quote mark at `opening`, unless it begins a quoted field.
    /// - Parameters:
    ///   - isUncertain: whether the row is not what a program would write
    ///   - isCut: whether the last line may be incomplete
    private mutating func becomesLiteral(
        _ row: UnsafeBufferPointer<UInt8>, at opening: Int, isUncertain: Bool = true, isCut: Bool = false
    ) -> Bool {
        guard dialect.quoting == .minimal, !isLiteral, let columns,
            isStray(row, opening, columns, isUncertain: isUncertain, isCut: isCut)
        else { return false }
        strays.add(line: line)
        isLiteral = true
        parser.reset(literalFrom: opening)
        return true
    }

    private mutating func isStray(
        _ row: UnsafeBufferPointer<UInt8>, _ opening: Int, _ columns: Int, isUncertain: Bool, isCut: Bool
    ) -> Bool {
        let isLineEnd = { (byte: UInt8) in byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
        var end = row[opening...].firstIndex(where: isLineEnd) ?? row.count
        let first = UnsafeBufferPointer(rebasing: row[..<end])
        guard fits(first, columns, isEvident: !isUncertain, literalFrom: opening) else { return false }
        let closing = isCut ? nil : parser.firstClosing
        var (lines, others) = (0, 0)
        while lines < Self.mostLinesCompared {
            guard let start = row[end...].firstIndex(where: { !isLineEnd($0) }) else { break }
            let next = row[start...].firstIndex(where: isLineEnd)
            if isCut, next == nil { break }
            end = next ?? row.count
            lines += 1
            let isLast = closing.map { $0 < end } ?? false
            if !fits(UnsafeBufferPointer(rebasing: row[start..<end]), columns, isEvident: !isUncertain),
                // The next row may have a field over several lines, whose opening quote mark closed this one.
                !(isLast && isUncertain
                    && opensField(UnsafeBufferPointer(rebasing: row[start..<max(start, closing!)]), columns))
            {
                others += 1
            }
            if others * 5 > lines { return false }
            if isLast { break }
        }
        if isUncertain { return true }
        let isDistinctive = shapes.contains { $0?.isDistinctive ?? false }
        return columns > 1 && lines >= (isDistinctive ? 1 : Self.evidentLines)
    }

    /// Returns whether a line is a row of this table.
    /// - Parameter isEvident: whether all columns that have a shape must be filled, instead of one
    private mutating func fits(
        _ line: UnsafeBufferPointer<UInt8>, _ columns: Int, isEvident: Bool, literalFrom: Int = .max
    ) -> Bool {
        lineParser.reset(literalFrom: literalFrom)
        if lineParser.parse(line, isLast: true) == .unclosed {
            lineParser.reset(literalFrom: lineParser.opening)
            _ = lineParser.parse(line, isLast: true)
        }
        return lineParser.fieldCount == columns && matchesShapes(line, isEvident: isEvident)
    }

    /// Returns whether a field begins after the start of a line.
    private mutating func opensField(_ start: UnsafeBufferPointer<UInt8>, _ columns: Int) -> Bool {
        lineParser.reset()
        guard lineParser.parse(start, isLast: true) == .row,
            lineParser.fieldCount <= min(columns, RowParser.mostColumns),
            let last = lineParser.fields.last, last.start == last.end
        else { return false }
        return lineParser.fieldCount == 1 || matchesShapes(start, isEvident: false)
    }

    private func matchesShapes(_ line: UnsafeBufferPointer<UInt8>, isEvident: Bool) -> Bool {
        var (expected, filled) = (0, 0)
        for (field, shape) in zip(lineParser.fields, shapes) {
            guard let shape else { continue }
            let content = lineParser.content(field, of: line)
            guard shape.matches(content) else { return false }
            expected += 1
            filled += content.isEmpty ? 0 : 1
        }
        return isEvident ? filled == expected : filled > 0 || expected == 0
    }
}

extension RowParser {
    /// The bytes of a field without quote marks around it.
    func content(_ field: Field, of row: UnsafeBufferPointer<UInt8>) -> Slice<UnsafeBufferPointer<UInt8>> {
        let start = field.start + (field.isQuoted ? 1 : 0)
        let isClosed = field.isQuoted && field.end > start && row[field.end - 1] == TableDialect.quote
        return row[start..<max(start, field.end - (isClosed ? 1 : 0))]
    }
}
