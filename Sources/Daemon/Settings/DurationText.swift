/// Lengths of time as systemd writes them: `2s`, `1m 30s`, `500ms`, `24h`, or a bare number of seconds.
enum DurationText {
    static let expected = "a duration such as 2s, 1m or 24h"

    private static let seconds: [String: Double] = [
        "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800,
    ]

    /// - Returns: seconds, not negative; nil where `text` is not a duration.
    static func seconds(_ text: String) -> Double? {
        if let number = Double(text) { return number.isFinite && number >= 0 ? number : nil }
        var rest = Substring(text).drop { $0 == " " }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(digits.count).drop { $0 == " " }
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count).drop { $0 == " " }
            guard let number = Double(digits), let factor = seconds[String(unit)] else { return nil }
            total += number * factor
        }
        return total.isFinite ? total : nil
    }
}
