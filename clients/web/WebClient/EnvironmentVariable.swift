import Glibc

/// An environment variable whose value is not in the accepted range.
public struct InvalidVariable: Error, Equatable, CustomStringConvertible {
    public let name: String
    public let range: ClosedRange<Int>
    public let found: String

    public var description: String {
        "\(name): expected a whole number from \(range.lowerBound) to \(range.upperBound), found ‘\(found)’; "
            + "correct or unset the variable"
    }
}

/// Environment variables that set options.
public enum EnvironmentVariable {
    /// Returns nil if the variable is unset or empty.
    public static func text(_ name: String) -> String? {
        guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
        return value
    }

    /// Returns nil if the variable is unset or empty.
    public static func integer(_ name: String, in range: ClosedRange<Int>) throws(InvalidVariable) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw InvalidVariable(name: name, range: range, found: text.clipped(to: 100))
        }
        return number
    }
}
