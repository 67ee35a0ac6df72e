/// A sample of a table, read in one dialect.
struct TableTrial {
    let dialect: TableDialect
    private(set) var rows = 0
    /// Number of rows with as many fields as the first.
    private(set) var fitting = 0
    /// Number of quote marks that the dialect does not explain.
    private(set) var cost = 0
    /// The fields of the first row.
    private(set) var first: [[UInt8]] = []
    private(set) var columnCount = 0
    /// The columns in the rows after the first, as far as they are examined.
    private(set) var columns: [ColumnStatistics] = []
    private var widths: [Int: Int] = [:]
    /// For each examined column, the number of rows after the first that repeat its field.
    private var recurrences: [Int] = []
    /// Number of rows that repeat all of its fields, as in joined files with headers.
    private var repetitions = 0
    private var spaced = 0
    private var unquoted = 0
    private var strays = 0

    static let mostColumns = 64

    init(_ dialect: TableDialect, _ sample: UnsafeBufferPointer<UInt8>, isWhole: Bool, limit: Int) {
        self.dialect = dialect
        var reader = RowReader(dialect, limit: limit, wanted: nil, firstLine: 1)
        var offset = 0
        var enclosed = 0
        do {
            while let row = try reader.next(sample, &offset, isWhole ? .last : .sample) {
                add(row, reader.parser)
                reader.columns = columnCount
                cost += reader.parser.quoted.malformed + reader.parser.quoted.inside
                enclosed += reader.parser.enclosed
                offset += row.count
                reader.finishRow(row)
            }
        } catch {
            // If this is the dialect of the table, the reason is found again when all of it is read.
            if rows > 0 { rows += 1 }
        }
        strays = reader.strays.count
        cost = dialect.quoting == .none ? enclosed : cost + strays
    }

    private mutating func add(_ row: UnsafeBufferPointer<UInt8>, _ parser: RowParser) {
        if rows == 0 {
            columnCount = parser.fieldCount
            columns = Array(repeating: ColumnStatistics(), count: min(columnCount, Self.mostColumns))
            recurrences = Array(repeating: 0, count: columns.count)
            first = parser.fields.map { field in
                var text: [UInt8] = []
                parser.append(field, of: row, to: &text)
                return text
            }
        } else {
            var recurring = 0
            for (index, field) in parser.fields.prefix(columns.count).enumerated() {
                let content = parser.content(field, of: row)
                columns[index].add(content)
                guard content.elementsEqual(first[index]) else { continue }
                recurrences[index] += 1
                recurring += 1
            }
            if recurring == columns.count { repetitions += 1 }
        }
        for field in parser.fields.dropFirst() where !field.isQuoted {
            unquoted += 1
            if field.start < field.end, row[field.start] == UInt8(ascii: " ") { spaced += 1 }
        }
        rows += 1
        // Nothing is lost with the empty fields at the end of a row.
        let width = parser.fieldCount > columnCount ? max(columnCount, parser.lastFilled + 1) : parser.fieldCount
        if width == columnCount { fitting += 1 }
        widths[width, default: 0] += 1
    }

    /// The most frequent number of fields, and in how many rows it occurs.
    var usual: (columns: Int, rows: Int) {
        widths.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { ($0.key, $0.value) } ?? (0, 0)
    }

    /// Whether the delimiters look like punctuation of prose, which a space follows.
    var isPunctuation: Bool {
        guard [UInt8(ascii: ","), UInt8(ascii: ";")].contains(dialect.delimiter), !dialect.skipsInitialSpace else {
            return false
        }
        return spaced * 10 >= unquoted * 9 && unquoted > 0 && columns.allSatisfy { $0.shape == nil }
    }

    /// Whether this dialect of the same delimiter explains the sample better. Quote marks are taken as text only if
    /// there is evidence: as programs read tables, they are not.
    func isBetter(than other: TableTrial) -> Bool {
        guard rows > 0, other.rows > 0 else { return rows > 0 }
        let (mine, theirs) = (fitting * other.rows, other.fitting * rows)
        if mine != theirs { return mine > theirs }
        guard dialect.quoting == .none, other.dialect.quoting != .none else { return cost < other.cost }
        return cost < other.cost && (other.cost - cost >= 3 || other.strays > 0 && isTabs)
    }

    private var isTabs: Bool { dialect.delimiter == UInt8(ascii: "\t") }

    /// Whether the first row looks like a header: names, one of them over numbers, or unique short ones, one of them over
    /// longer text. A name does not recur as a value of its own column.
    var hasHeader: Bool {
        let names = first.filter { !$0.isEmpty }
        guard !names.isEmpty, names.allSatisfy(Self.isName) else { return false }
        guard rows > 1 else { return true }
        let recurs = columns.indices.contains { index in
            recurrences[index] > repetitions && !first[index].isEmpty && !MissingValue.isMark(first[index])
                && !columns[index].isProse
        }
        if recurs { return false }
        let isShort =
            Set(names).count == names.count
            && names.allSatisfy { name in
                name.count(where: { $0 == UInt8(ascii: " ") }) <= 3 && !MissingValue.isMark(name)
            }
        return zip(first, columns).contains { name, column in
            column.filled > 0 && !MissingValue.isMark(name)
                && (column.shape == .number || isShort && column.isProse && column.meanBytes >= 2 * name.count)
        }
    }

    private static func isName(_ field: [UInt8]) -> Bool {
        field.count <= 64 && !ColumnShape.isNumber(field) && !field.contains(UInt8(ascii: "\n"))
            && !".?!".utf8.contains(field.last!)
    }

    /// Index of the column with the longest text, except those given.
    func prose(except excluded: [Int] = []) -> Int? {
        columns.indices.filter { columns[$0].isProse && !excluded.contains($0) }
            .max { (columns[$0].meanBytes, $1) < (columns[$1].meanBytes, $0) }
    }
}
