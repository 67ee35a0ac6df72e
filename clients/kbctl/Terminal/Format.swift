import Formatting
import FoundationEssentials
import Glibc

/// Formats numbers and times for display.
enum Format {
    /// Formats with `digits` decimal places; `–` for nil.
    static func number(_ value: Double?, _ digits: Int) -> String {
        guard let value else { return "–" }
        return formatted("%.\(digits)f", value)
    }

    static func powerOfTen(_ exponent: Int) -> Double { pow(10, Double(exponent)) }

    static func scientific(_ value: Double) -> String { formatted("%.2e", value) }

    /// `83,504,416`; `–` for nil.
    static func count(_ value: Int?) -> String {
        guard let value else { return "–" }
        var groups: [Substring] = []
        var digits = String(value.magnitude)[...]
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits = digits.dropLast(3)
        }
        groups.insert(digits, at: 0)
        return (value < 0 ? "-" : "") + groups.joined(separator: ",")
    }

    /// `1.8 MB`.
    static func bytes(_ value: Int) -> String { MessageFormat.bytes(value) }

    /// `7 %`; `–` for nil.
    static func percent(_ share: Double?) -> String { share.map { "\(number($0 * 100, 0)) %" } ?? "–" }

    /// `8 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
    static func duration(_ seconds: Double) -> String { MessageFormat.duration(seconds) }

    /// `01:24`, `3:05:10`.
    static func clock(_ seconds: Double) -> String {
        let whole = wholeSeconds(seconds)
        let short = "\(twoDigits(whole % 3600 / 60)):\(twoDigits(whole % 60))"
        return whole < 3600 ? short : "\(whole / 3600):\(short)"
    }

    /// `12 min ago`, `in 45 s`; text that is not a timestamp is returned unchanged; `–` for nil.
    static func relative(_ time: String?, to now: Date = Date()) -> String {
        guard let time else { return "–" }
        guard let date = Self.date(time) else { return time }
        let seconds = date.timeIntervalSince(now)
        return seconds > 0 ? "in \(duration(seconds))" : "\(duration(-seconds)) ago"
    }

    /// Parses a timestamp of the interface: `2026-01-01T00:00:00.000Z`.
    static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            ?? (try? Date(text, strategy: Date.ISO8601FormatStyle()))
    }

    /// `12:00:01`, in the local time zone.
    static func timeOfDay(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var local = tm()
        localtime_r(&seconds, &local)
        return [local.tm_hour, local.tm_min, local.tm_sec].map { twoDigits(Int($0)) }.joined(separator: ":")
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    private static func wholeSeconds(_ seconds: Double) -> Int {
        seconds.isFinite ? Int(min(max(seconds, 0), 1e12).rounded()) : 0
    }

    private static func formatted(_ format: String, _ value: Double) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        let length = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
        return String(decoding: buffer.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
