/// Lengths of time in the notation of systemd.time(7): `2s`, `1m 30s`, `500ms`, `24h`, or a number of seconds.
enum DurationText {
    static let expected = "a duration such as 2s, 1m or 24h"

    /// A hundred years, in seconds. `Duration` and the clocks do not hold every `Double`.
    static let longest = 36_525.0 * 86_400

    private static let seconds: [String: Double] = [
        "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800,
    ]

    /// - Returns: seconds, not negative; nil if `text` is not a duration
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

    /// Returns the duration in the largest unit of which it is a multiple of at least two: `60s`, `10m`, `24h`, `90d`.
    static func text(_ seconds: Double) -> String {
        guard let milliseconds = Int(exactly: (seconds * 1000).rounded()) else { return "\(seconds)" }
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
        for (unit, length) in units where milliseconds % length == 0 && milliseconds >= 2 * length {
            return "\(milliseconds / length)\(unit)"
        }
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
