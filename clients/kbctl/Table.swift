/// Rows under headings, in columns that line up, no wider than the screen.
struct Table {
    enum Alignment {
        case left, right
    }

    private let headings: [String]
    private let alignments: [Alignment]
    /// The column that gives way where the screen is too narrow.
    private let elastic: Int
    private var rows: [[String]] = []

    init(_ columns: [(String, Alignment)], elastic: Int = 0) {
        headings = columns.map(\.0)
        alignments = columns.map(\.1)
        self.elastic = elastic
    }

    mutating func add(_ row: [String]) {
        precondition(row.count == headings.count)
        // A name may hold anything; a table has one line a row.
        rows.append(row.map { Terminal.visible($0.split(whereSeparator: \.isNewline).joined(separator: " ")) })
    }

    /// - Parameter columns: how wide the screen is; nil does not cut.
    func lines(columns: Int?) -> [String] {
        var widths = headings.indices.map { column in
            ([headings] + rows).map { $0[column].count }.max() ?? 0
        }
        if let columns {
            let excess = widths.reduce(0, +) + 2 * (widths.count - 1) - columns
            if excess > 0 { widths[elastic] = max(8, widths[elastic] - excess) }
        }
        return ([headings] + rows).map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let text = cell.cut(to: widths[column])
                let padding = String(repeating: " ", count: widths[column] - text.count)
                if column > 0 { line += "  " }
                line += alignments[column] == .left ? text + padding : padding + text
            }
            while line.last == " " { line.removeLast() }
            return columns.map { line.cut(to: $0) } ?? line
        }
    }

    func print(indent: String = "") {
        for line in lines(columns: Terminal.columns.map { $0 - indent.count }) { Terminal.line(indent + line) }
    }
}

extension String {
    /// At most `width` characters, the last of them `…` where something is missing.
    func cut(to width: Int) -> String {
        count <= width ? self : String(prefix(max(width - 1, 0))) + "…"
    }
}
