/// A chart as an SVG file.
struct SVG: Surface {
    private let width: Int
    private let height: Int
    private var elements: [String] = []

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    mutating func line(_ points: [CanvasPoint], color: Color, width: Double) {
        guard points.count > 1 else { return }
        let places = points.map { "\(short($0.x)),\(short($0.y))" }.joined(separator: " ")
        elements.append(
            #"<polyline points="\#(places)" fill="none" stroke="\#(hex(color))" stroke-width="\#(short(width))"/>"#)
    }

    mutating func diamond(_ center: CanvasPoint, radius: Double, color: Color) {
        let corners = [(0, -radius), (radius, 0), (0, radius), (-radius, 0)].map {
            "\(short(center.x + $0.0)),\(short(center.y + $0.1))"
        }.joined(separator: " ")
        elements.append(#"<polygon points="\#(corners)" fill="\#(hex(color))"/>"#)
    }

    mutating func text(_ text: String, at place: CanvasPoint, anchor: Anchor, color: Color) {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        elements.append(
            #"<text x="\#(short(place.x))" y="\#(short(place.y + 7))" text-anchor="\#(anchor.rawValue)" "#
                + #"fill="\#(hex(color))">\#(escaped)</text>"#)
    }

    func file() -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" font-family="sans-serif" font-size="20">
        <rect width="\(width)" height="\(height)" fill="white"/>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    private func short(_ value: Double) -> String { Format.number(value, 1) }

    private func hex(_ color: Color) -> String {
        "#"
            + [color.red, color.green, color.blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
