/// A chart rasterized with anti-aliasing, for a PNG file.
struct Raster: Surface {
    private let width: Int
    private let height: Int
    /// RGB triples in row-major order.
    private var pixels: [UInt8]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        pixels = Array(repeating: 255, count: 3 * width * height)
    }

    mutating func line(_ points: [CanvasPoint], color: Color, width: Double) {
        for (from, to) in zip(points, points.dropFirst()) {
            let reach = width / 2 + 1
            shade(
                x: min(from.x, to.x) - reach...max(from.x, to.x) + reach,
                y: min(from.y, to.y) - reach...max(from.y, to.y) + reach, color
            ) { place in
                width / 2 + 0.5 - Self.distance(place, from, to)
            }
        }
    }

    mutating func diamond(_ center: CanvasPoint, radius: Double, color: Color) {
        shade(x: center.x - radius...center.x + radius, y: center.y - radius...center.y + radius, color) { place in
            radius - abs(place.x - center.x) - abs(place.y - center.y) + 0.5
        }
    }

    mutating func text(_ text: String, at place: CanvasPoint, anchor: Anchor, color: Color) {
        let scale = 2
        let length = text.count * PixelFont.width * scale
        let share = anchor == .start ? 0 : anchor == .middle ? 0.5 : 1
        var left = Int(place.x - share * Double(length))
        let top = Int(place.y) - PixelFont.height * scale / 2
        for character in text {
            for (row, bits) in PixelFont.rows(character).enumerated() {
                for column in 0..<PixelFont.width where bits >> UInt8(7 - column) & 1 == 1 {
                    for part in 0..<scale * scale {
                        blend(
                            left + column * scale + part % scale, top + row * scale + part / scale, color, coverage: 1)
                    }
                }
            }
            left += PixelFont.width * scale
        }
    }

    func file() -> [UInt8] { PNG.encode(width: width, height: height, rgb: pixels) }

    /// - Parameter coverage: share of the pixel at a place that is covered, clamped to 0...1
    private mutating func shade(
        x: ClosedRange<Double>, y: ClosedRange<Double>, _ color: Color, _ coverage: (CanvasPoint) -> Double
    ) {
        let rows = max(0, Int(y.lowerBound))...max(0, min(height - 1, Int(y.upperBound) + 1))
        let columns = max(0, Int(x.lowerBound))...max(0, min(width - 1, Int(x.upperBound) + 1))
        for row in rows {
            for column in columns {
                blend(column, row, color, coverage: coverage(CanvasPoint(x: Double(column), y: Double(row))))
            }
        }
    }

    private mutating func blend(_ x: Int, _ y: Int, _ color: Color, coverage: Double) {
        guard coverage > 0, x >= 0, y >= 0, x < width, y < height else { return }
        let share = min(1, coverage)
        let place = 3 * (y * width + x)
        for (index, value) in [color.red, color.green, color.blue].enumerated() {
            let mixed = Double(pixels[place + index]) * (1 - share) + Double(value) * share
            pixels[place + index] = UInt8(mixed.rounded())
        }
    }

    /// Returns the distance of a point from a line segment.
    private static func distance(_ place: CanvasPoint, _ from: CanvasPoint, _ to: CanvasPoint) -> Double {
        let (dx, dy) = (to.x - from.x, to.y - from.y)
        let length = dx * dx + dy * dy
        let along = length == 0 ? 0 : min(1, max(0, ((place.x - from.x) * dx + (place.y - from.y) * dy) / length))
        let (x, y) = (place.x - from.x - along * dx, place.y - from.y - along * dy)
        return (x * x + y * y).squareRoot()
    }
}
