/// A surface that a chart can be drawn on. Coordinates are pixels from the upper left corner.
protocol Surface {
    associatedtype File

    init(width: Int, height: Int)
    mutating func line(_ points: [CanvasPoint], color: Color, width: Double)
    mutating func diamond(_ center: CanvasPoint, radius: Double, color: Color)
    /// - Parameter place: the vertical center of the text, and horizontally the position that `anchor` names
    mutating func text(_ text: String, at place: CanvasPoint, anchor: Anchor, color: Color)
    func file() -> File
}

struct CanvasPoint: Equatable {
    var x: Double
    var y: Double
}

enum Anchor: String {
    case start, middle, end
}

struct Color: Equatable {
    let red: UInt8
    let green: UInt8
    let blue: UInt8

    static let ink = Color(red: 0x33, green: 0x33, blue: 0x33)
    static let rule = Color(red: 0xDD, green: 0xDD, blue: 0xDD)
    /// A palette that color-blind people can distinguish (Okabe and Ito, "Color Universal Design", 2008).
    static let runs = [
        Color(red: 0x00, green: 0x72, blue: 0xB2), Color(red: 0xD5, green: 0x5E, blue: 0x00),
        Color(red: 0x00, green: 0x9E, blue: 0x73), Color(red: 0xCC, green: 0x79, blue: 0xA7),
        Color(red: 0x56, green: 0xB4, blue: 0xE9), Color(red: 0xE6, green: 0x9F, blue: 0x00),
    ]
}

extension Surface {
    /// Draws a chart: training losses as lines, held-out losses as diamonds joined by thin lines.
    static func drawing(_ chart: Chart, width: Int = 1600, height: Int = 900) -> Self {
        var surface = Self(width: width, height: height)
        let plot = (left: 110.0, right: Double(width) - 50, top: 40.0, bottom: Double(height) - 80)
        func place(_ point: Curve.Point) -> CanvasPoint {
            let share = min(1, max(0, chart.losses.share(point.loss)))
            return CanvasPoint(
                x: plot.left + chart.steps.share(point.step) * (plot.right - plot.left),
                y: plot.bottom - share * (plot.bottom - plot.top))
        }
        for tick in chart.losses.ticks {
            let y = place((chart.steps.range.lowerBound, tick)).y
            surface.line([CanvasPoint(x: plot.left, y: y), CanvasPoint(x: plot.right, y: y)], color: .rule, width: 1)
            surface.text(chart.losses.label(tick), at: CanvasPoint(x: plot.left - 12, y: y), anchor: .end, color: .ink)
        }
        for tick in chart.steps.ticks {
            let x = place((tick, chart.losses.range.lowerBound)).x
            surface.line(
                [CanvasPoint(x: x, y: plot.bottom), CanvasPoint(x: x, y: plot.bottom + 8)], color: .ink, width: 1)
            surface.text(
                chart.steps.label(tick), at: CanvasPoint(x: x, y: plot.bottom + 26), anchor: .middle, color: .ink)
        }
        surface.line(
            [
                CanvasPoint(x: plot.left, y: plot.top), CanvasPoint(x: plot.left, y: plot.bottom),
                CanvasPoint(x: plot.right, y: plot.bottom),
            ], color: .ink, width: 1)
        surface.text(
            "step", at: CanvasPoint(x: (plot.left + plot.right) / 2, y: plot.bottom + 56), anchor: .middle, color: .ink)
        surface.text(
            "loss, nats per token", at: CanvasPoint(x: plot.left, y: plot.top - 20), anchor: .start, color: .ink)
        for (index, curve) in chart.curves.enumerated() {
            let color = Color.runs[index % Color.runs.count]
            let parts = Int(plot.right - plot.left) / 2
            surface.line(
                curve.thinnedTraining(to: parts, over: chart.steps.range).map(place), color: color, width: 2)
            surface.line(curve.heldOut.map(place), color: color, width: 1)
            for point in curve.heldOut { surface.diamond(place(point), radius: 6, color: color) }
            let y = plot.top + 20 + 30 * Double(index)
            surface.line(
                [CanvasPoint(x: plot.right - 60, y: y), CanvasPoint(x: plot.right, y: y)], color: color, width: 2)
            surface.diamond(CanvasPoint(x: plot.right - 30, y: y), radius: 6, color: color)
            surface.text(curve.run, at: CanvasPoint(x: plot.right - 72, y: y), anchor: .end, color: color)
        }
        return surface
    }
}
