import Glibc

/// Formats numbers for messages.
package enum MessageFormat {
    /// Formats a duration for log messages and screens: `8 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
    ///
    /// Seconds are rounded, and a duration above 0 is at least `1 s`. Larger units are truncated.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds > 0 else { return "0 s" }
        let whole = max(1, Int(min(seconds, 1e12).rounded()))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min"
        case ..<86_400:
            let minutes = whole % 3600 / 60
            return "\(whole / 3600) h \(minutes < 10 ? "0" : "")\(minutes) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }

    /// Formats a number with `digits` decimal places.
    package static func fixed(_ number: Double, _ digits: Int) -> String {
        let scale = pow(10, Double(digits))
        let scaled = (number.magnitude * scale).rounded()
        guard scaled < 1e15 else { return "\(number)" }
        let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
        let places = digits == 0 ? "" : "." + String(String(Int(scale) + part).dropFirst())
        return (number < 0 && scaled > 0 ? "-" : "") + "\(whole)" + places
    }

    /// Formats a number as `4.10e-05`.
    package static func scientific(_ number: Double) -> String {
        guard number > 0, number.isFinite else { return "\(number)" }
        let exponent = Int(log10(number).rounded(.down))
        let digits = String(exponent.magnitude)
        return fixed(number / pow(10, Double(exponent)), 2) + (exponent < 0 ? "e-" : "e+")
            + String(repeating: "0", count: max(0, 2 - digits.count)) + digits
    }

    /// Formats a count as `9,998`.
    package static func count(_ value: Int) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0, text != "-" { text += "," }
            text.append(digit)
        }
        return text
    }

    /// Formats a count with its noun, whose plural ends with s: `1 unit`, `9,998 units`.
    package static func count(_ value: Int, _ noun: String) -> String {
        "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// Formats a number of bytes in powers of 1000: `999 bytes`, `1.8 MB`.
    package static func bytes(_ count: Int) -> String {
        var size = Double(count)
        for unit in ["bytes", "kB", "MB", "GB"] {
            if size < 999.95 { return unit == "bytes" ? self.count(count, "byte") : "\(fixed(size, 1)) \(unit)" }
            size /= 1000
        }
        return "\(fixed(size, 1)) TB"
    }
}
