/// A chart in braille characters, each a grid of 2 × 4 dots. Training losses are lines, held-out losses `◆`.
///
/// Runs are distinguished by color, or without colors by a mark per run in place of the dots.
struct ScreenChart {
    private struct Cell {
        var dots: UInt8 = 0
        var mark: Character?
        var run = 0
    }

    private let chart: Chart
    private let width: Int
    private let height: Int
    private let hasColors: Bool
    private var cells: [[Cell]]

    private static let colors: [Style] = [.cyan, .yellow, .magenta, .green, .blue, .red]
    private static let marks: [Character] = ["+", "x", "o", "*", "#", "%"]
    /// Bits of a braille character, by column and row.
    private static let bits: [[UInt8]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]

    /// - Parameters:
    ///   - columns: width of the chart including labels
    ///   - rows: height of the curves without the axis
    static func lines(_ chart: Chart, columns: Int, rows: Int, hasColors: Bool) -> [String] {
        var screen = ScreenChart(chart, columns: columns, rows: rows, hasColors: hasColors)
        for index in chart.curves.indices { screen.draw(index) }
        return screen.lines()
    }

    private init(_ chart: Chart, columns: Int, rows: Int, hasColors: Bool) {
        self.chart = chart
        self.hasColors = hasColors
        width = max(4, columns - Self.labelWidth(chart) - 2)
        height = max(4, rows)
        cells = Array(repeating: Array(repeating: Cell(), count: width), count: height)
    }

    private static func labelWidth(_ chart: Chart) -> Int {
        chart.losses.ticks.map { chart.losses.label($0).count }.max() ?? 0
    }

    private var usesMarks: Bool { !hasColors && chart.curves.count > 1 }

    private mutating func draw(_ index: Int) {
        let curve = chart.curves[index]
        var last: (x: Int, y: Int)?
        for point in curve.thinnedTraining(to: 2 * width, over: chart.steps.range) {
            let place = dot(point)
            let from = last ?? place
            // A line from the previous point: one dot per step along its longer dimension.
            let count = max(1, max(abs(place.x - from.x), abs(place.y - from.y)))
            for part in 0...count {
                set(
                    from.x + (place.x - from.x) * part / count, from.y + (place.y - from.y) * part / count, run: index)
            }
            last = place
        }
        for point in curve.heldOut {
            let place = dot(point)
            cells[place.y / 4][place.x / 2] = Cell(mark: "◆", run: index)
        }
    }

    private func dot(_ point: Curve.Point) -> (x: Int, y: Int) {
        func place(_ share: Double, _ count: Int) -> Int { Int((min(1, max(0, share)) * Double(count - 1)).rounded()) }
        return (place(chart.steps.share(point.step), 2 * width), place(1 - chart.losses.share(point.loss), 4 * height))
    }

    private mutating func set(_ x: Int, _ y: Int, run: Int) {
        guard cells[y / 4][x / 2].mark != "◆" else { return }
        if usesMarks {
            cells[y / 4][x / 2] = Cell(mark: Self.marks[run % Self.marks.count], run: run)
        } else {
            cells[y / 4][x / 2].dots |= Self.bits[x % 2][y % 4]
            cells[y / 4][x / 2].run = run
        }
    }

    private func text(_ cell: Cell) -> String {
        let character = cell.mark ?? (cell.dots == 0 ? " " : Character(Unicode.Scalar(0x2800 + UInt32(cell.dots))!))
        let color = Self.colors[cell.run % Self.colors.count]
        return hasColors && character != " " ? color(String(character)) : String(character)
    }

    private func lines() -> [String] {
        let labelWidth = Self.labelWidth(chart)
        var labels: [Int: String] = [:]
        for tick in chart.losses.ticks {
            labels[Int(((1 - chart.losses.share(tick)) * Double(height - 1)).rounded())] = chart.losses.label(tick)
        }
        var lines = cells.enumerated().map { row, cells in
            (labels[row] ?? "").padded(to: labelWidth, .right) + (labels[row] == nil ? " │" : " ┤")
                + cells.map(text).joined()
        }
        lines.append(contentsOf: stepAxis(indent: labelWidth + 1))
        return lines + legend()
    }

    private func stepAxis(indent: Int) -> [String] {
        var rule = Array(repeating: Character("─"), count: width)
        var labels = ""
        for tick in chart.steps.ticks {
            let place = Int((chart.steps.share(tick) * Double(width - 1)).rounded())
            rule[place] = "┬"
            let label = chart.steps.label(tick)
            let start = min(max(0, place - label.count / 2), width - label.count)
            guard start > labels.count || labels.isEmpty else { continue }
            labels += String(repeating: " ", count: start - labels.count) + label
        }
        let space = String(repeating: " ", count: indent)
        return [space + "└" + String(rule), space + " " + labels]
    }

    private func legend() -> [String] {
        chart.curves.enumerated().map { index, curve in
            let line = usesMarks ? String(Self.marks[index % Self.marks.count]) : "⠤"
            let color = Self.colors[index % Self.colors.count]
            let losses = [curve.training.last.map { "loss \(Format.number($0.loss, 4))" }]
            let heldOut = curve.heldOut.last.map { "◆ held out \(Format.number($0.loss, 4))" }
            let text = (["\(line) \(curve.run)"] + losses.compactMap(\.self) + [heldOut].compactMap(\.self)).joined(
                separator: "  ")
            return hasColors ? color(text.cut(to: width)) : text.cut(to: width)
        }
    }
}
