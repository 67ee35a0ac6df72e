/// A table with headings and aligned columns, no wider than the screen.
struct Table {
    enum Alignment {
        case left, right
    }

    private let headings: [String]
    private let alignments: [Alignment]
    /// Columns that are truncated, equally, if the screen is too narrow after empty columns were dropped.
    private let elastic: [Int]
    /// Columns that are dropped on a narrow screen, in this order.
    private let spare: [Int]
    /// Columns that are truncated only if nothing else helps: a name that is cut cannot be typed.
    private let names: [Int]
    /// Truncate cells at the beginning instead of the end, for names with a common prefix.
    private let keepsEnds: Bool
    private var rows: [(cells: [String], warnings: [String], style: Style?)] = []
    /// The layout of the first page; nil before it is printed.
    private var place: Layout?

    /// The visible columns and their widths.
    private typealias Layout = (shown: [Int], widths: [Int])

    /// Minimum width of a truncated column.
    private static let leastElastic = 8

    init(
        _ columns: [(String, Alignment)], elastic: [Int] = [], spare: [Int] = [], names: [Int] = [0],
        keepsEnds: Bool = false
    ) {
        headings = columns.map(\.0)
        alignments = columns.map(\.1)
        self.elastic = elastic
        self.spare = spare
        self.names = names
        self.keepsEnds = keepsEnds
    }

    /// - Parameters:
    ///   - warnings: printed below the row, wrapped to the screen and never truncated
    ///   - style: style of the whole row
    mutating func add(_ row: [String], warnings: [String] = [], style: Style? = nil) {
        precondition(row.count == headings.count)
        rows.append((row.map(Self.singleLine), warnings.map(Self.singleLine), style))
    }

    /// A cell or a warning may contain line ends; a row must not.
    private static func singleLine(_ text: String) -> String {
        Terminal.visible(text.split(whereSeparator: \.isNewline).joined(separator: " "))
    }

    /// Returns the rows without the headings, each followed by its warnings.
    /// - Parameter columns: width of the screen; nil does not truncate
    private func lines(_ place: Layout, _ columns: Int?) -> [(text: String, style: Style?)] {
        rows.flatMap { row in
            let warnings = row.warnings.flatMap { warning in
                warning.wrapped(indent: 4, columns: columns).enumerated().map { index, text in
                    (text: (index == 0 ? "  ! " : "    ") + text, style: Style?.some(.yellow))
                }
            }
            return [(line(row.cells, place, columns), row.style)] + warnings
        }
    }

    private func line(_ row: [String], _ place: Layout, _ columns: Int?) -> String {
        var line = place.shown.map { column in
            let (cell, width) = (row[column], place.widths[column])
            // Without a screen nothing is truncated; a later page may have longer cells than the first.
            guard columns != nil else { return cell.padded(to: width, alignments[column]) }
            let cut = keepsEnds ? cell.cutInFront(to: width) : cell.cut(to: width)
            return cut.padded(to: width, alignments[column])
        }.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return columns.map { line.cut(to: $0) } ?? line
    }

    /// Prints and discards the rows added so far. Later pages keep the layout and have no headings.
    mutating func printPage() {
        let columns = Terminal.columns
        let place = self.place ?? layout(columns)
        if self.place == nil {
            let heading = line(headings, place, columns)
            Terminal.line(Style.bold(heading))
        }
        self.place = place
        for line in lines(place, columns) { Terminal.line(line.style?(line.text) ?? line.text) }
        rows.removeAll()
    }

    /// - Parameter empty: the line to print if there are no rows
    func print(empty: String? = nil, indent: String = "") {
        if rows.isEmpty, let empty { return Terminal.paragraph(empty) }
        let columns = Terminal.columns.map { $0 - indent.count }
        let place = layout(columns)
        for line in [(text: line(headings, place, columns), style: Style?.some(.bold))] + lines(place, columns) {
            Terminal.line(indent + (line.style?(line.text) ?? line.text))
        }
    }

    private func layout(_ columns: Int?) -> Layout {
        let wanted = headings.indices.map { column in
            rows.reduce(headings[column].cells) { max($0, $1.cells[column].cells) }
        }
        var shown = Array(headings.indices)
        guard let columns else { return (shown, wanted) }
        var widths = wanted
        func width() -> Int { shown.reduce(2 * (shown.count - 1)) { $0 + widths[$1] } }
        if width() > columns, !rows.isEmpty {
            shown.removeAll { column in rows.allSatisfy { ["", "–"].contains($0.cells[column]) } }
        }
        var cut = elastic
        for column in elastic { widths[column] = min(wanted[column], Self.leastElastic) }
        for column in spare where width() > columns { shown.removeAll { $0 == column } }
        if width() > columns {
            cut += names
            for column in names { widths[column] = min(wanted[column], Self.leastElastic) }
        }
        var room = columns - width()
        while room > 0 {
            let short = cut.filter { shown.contains($0) && widths[$0] < wanted[$0] }
            guard !short.isEmpty else { break }
            for column in short where room > 0 {
                widths[column] += 1
                room -= 1
            }
        }
        return (shown, widths)
    }
}
