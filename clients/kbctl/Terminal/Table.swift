/// Rows under headings, in columns that line up, no wider than the screen.
struct Table {
    enum Alignment {
        case left, right
    }

    private let headings: [String]
    private let alignments: [Alignment]
    /// The column that gives way where the screen is too narrow.
    private let elastic: Int
    /// Columns that a narrow screen does without, the first of them first.
    private let spare: [Int]
    private var rows: [[String]] = []

    init(_ columns: [(String, Alignment)], elastic: Int = 0, spare: [Int] = []) {
        headings = columns.map(\.0)
        alignments = columns.map(\.1)
        self.elastic = elastic
        self.spare = spare
    }

    mutating func add(_ row: [String]) {
        precondition(row.count == headings.count)
        // A name may hold anything; a table has one line a row.
        rows.append(row.map { Terminal.visible($0.split(whereSeparator: \.isNewline).joined(separator: " ")) })
    }

    /// - Parameter columns: how wide the screen is; nil does not cut.
    func lines(columns: Int?) -> [String] {
        var widths = headings.indices.map { column in
            ([headings] + rows).map { $0[column].cells }.max() ?? 0
        }
        var shown = Array(headings.indices)
        if let columns {
            func width() -> Int { shown.reduce(2 * (shown.count - 1)) { $0 + widths[$1] } }
            let wanted = widths[elastic]
            widths[elastic] = min(wanted, 8)
            for column in spare where width() > columns { shown.removeAll { $0 == column } }
            widths[elastic] = min(wanted, widths[elastic] + max(0, columns - width()))
        }
        return ([headings] + rows).map { row in
            var line = shown.map { row[$0].cut(to: widths[$0]).padded(to: widths[$0], alignments[$0]) }
                .joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return columns.map { line.cut(to: $0) } ?? line
        }
    }

    func print(indent: String = "") {
        for (index, line) in lines(columns: Terminal.columns.map { $0 - indent.count }).enumerated() {
            Terminal.line(indent + (index == 0 ? Style.bold(line) : line))
        }
    }
}
