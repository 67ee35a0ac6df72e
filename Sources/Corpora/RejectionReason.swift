import Durable

/// Why a file is of no use, for whoever dropped it: a file's predicate, such as `is empty`.
///
/// Every reason is made here, and has at most `longest` bytes, none of which ends a line or controls a terminal. A reason
/// gives numbers, places and the names of settings, never text out of the file: others read it too.
public struct RejectionReason: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringInterpolation {
    /// Bytes of UTF-8 a reason may have.
    public static let longest = 1024

    public let text: String

    public init(_ text: String) {
        // Cut twice: whatever comes, no more than a little of it is looked at.
        self.text = RawPath.printable(text.bounded(toBytes: Self.longest)).bounded(toBytes: Self.longest)
    }

    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { text }
}

/// Why a file is of no use: thrown while it is read.
package struct Unusable: Error {
    package let reason: RejectionReason

    init(_ reason: String) { self.reason = RejectionReason(reason) }
}

/// A file was not read to its end, for the service stops.
package struct ReadingInterrupted: Error {}
