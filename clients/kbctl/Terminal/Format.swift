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

    /// Formats a count as `83,504,416`, and nil as `–`.
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

    /// Formats a number of bytes as `1.8 MB`.
    static func bytes(_ value: Int) -> String { MessageFormat.bytes(value) }

    /// Formats a fraction as `7 %`, and nil as `–`.
    static func percent(_ share: Double?) -> String { share.map { "\(number($0 * 100, 0)) %" } ?? "–" }

    /// Formats a duration as `8 s`, `12 min`, `3 h 05 min` or `2 d 4 h`.
    static func duration(_ seconds: Double) -> String { MessageFormat.duration(seconds) }

    /// Formats a duration as `01:24` or `3:05:10`.
    static func clock(_ seconds: Double) -> String {
        let whole = wholeSeconds(seconds)
        let short = "\(twoDigits(whole % 3600 / 60)):\(twoDigits(whole % 60))"
        return whole < 3600 ? short : "\(whole / 3600):\(short)"
    }

    /// Formats a timestamp as `12 min ago` or `in 45 s`, and nil as `–`. Returns text that is not a timestamp
    /// unchanged.
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

    /// Formats the time of day in the local time zone as `12:00:01`.
    static func timeOfDay(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var local = tm()
        localtime_r(&seconds, &local)
        return [local.tm_hour, local.tm_min, local.tm_sec].map { twoDigits(Int($0)) }.joined(separator: ":")
    }

    /// Formats a date and time in the local time zone as `2026-01-01 12:00:01`.
    static func dayAndTime(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var local = tm()
        localtime_r(&seconds, &local)
        return "\(1900 + Int(local.tm_year))-\(twoDigits(Int(local.tm_mon) + 1))-\(twoDigits(Int(local.tm_mday))) "
            + timeOfDay(date)
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
