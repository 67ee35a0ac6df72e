import Glibc

/// How numbers are put into lines for people.
package enum MessageFormat {
    /// `45 s`, `3 min`, `2 h 10 min`.
    package static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e9).rounded(.up))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\((whole + 30) / 60) min"
        default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        }
    }

    /// With `digits` places after the point.
    package static func fixed(_ number: Double, _ digits: Int) -> String {
        let scale = pow(10, Double(digits))
        let scaled = (number.magnitude * scale).rounded()
        guard scaled < 1e15 else { return "\(number)" }
        let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
        let places = digits == 0 ? "" : "." + String(String(Int(scale) + part).dropFirst())
        return (number < 0 && scaled > 0 ? "-" : "") + "\(whole)" + places
    }

    /// As `4.10e-05`.
    package static func scientific(_ number: Double) -> String {
        guard number > 0, number.isFinite else { return "\(number)" }
        let exponent = Int(log10(number).rounded(.down))
        let digits = String(exponent.magnitude)
        return fixed(number / pow(10, Double(exponent)), 2) + (exponent < 0 ? "e-" : "e+")
            + String(repeating: "0", count: max(0, 2 - digits.count)) + digits
    }

    /// `9,998`.
    package static func count(_ value: Int) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0, text != "-" { text += "," }
            text.append(digit)
        }
        return text
    }

    package static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1000: "\(count) bytes"
        case ..<1_000_000: "\(fixed(Double(count) / 1000, 1)) kB"
        default: "\(fixed(Double(count) / 1_000_000, 1)) MB"
        }
    }
}
