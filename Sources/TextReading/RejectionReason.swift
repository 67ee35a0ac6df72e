import Durable

/// The reason a file is unusable, worded as a predicate for the user who dropped it, such as `is empty`.
///
/// A reason has at most `longest` bytes and contains no line breaks or terminal control characters. It contains
/// numbers, locations, names of settings, and names that the file gives to its columns, fields and parts, each shortened,
/// but no other text from the file, because other users can read it.
public struct RejectionReason: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringInterpolation {
    /// Maximum length in bytes of UTF-8.
    public static let longest = 1024

    public let text: String

    public init(_ text: String) {
        // Bounded before as well as after escaping, so that the work does not grow with the input.
        self.text = RawPath.printable(text.bounded(toBytes: Self.longest)).bounded(toBytes: Self.longest)
    }

    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { text }
}

/// Thrown while reading a file that is unusable.
package struct RejectionError: Error {
    package let reason: RejectionReason

    package init(_ reason: String) { self.reason = RejectionReason(reason) }
}

/// Thrown when reading was cancelled because the service is stopping.
package struct ReadingInterrupted: Error {
    package init() {}
}
