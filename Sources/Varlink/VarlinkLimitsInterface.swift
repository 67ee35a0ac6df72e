/// The interface that declares why a server disconnects a client. Any call can receive these errors; the connection
/// closes after them.
///
/// Each service names the interface `Limits` within its own domain, for example `org.example.Limits`.
public enum VarlinkLimitsInterface {
    /// The errors of the interface.
    public static let errors: [any VarlinkLimitError.Type] = [
        TooManyConnections.self, RequestTooLarge.self, RequestMemoryExceeded.self, TimedOut.self,
    ]

    /// Returns the type of an error with the full name `name`, or nil if it is not an error of a `Limits` interface.
    public static func error(named name: String) -> (any VarlinkLimitError.Type)? {
        errors.first { name == $0.name || name.hasSuffix(".\($0.name)") }
    }

    public struct TooManyConnections: VarlinkLimitError, Equatable {
        public static let name = "Limits.TooManyConnections"
        public var limit: Int
        /// Whether the limit is that of one user rather than that of all users together.
        public var perUser: Bool

        public init(limit: Int, perUser: Bool) {
            self.limit = limit
            self.perUser = perUser
        }

        private enum CodingKeys: String, CodingKey {
            case limit
            case perUser = "per_user"
        }
    }

    public struct RequestTooLarge: VarlinkLimitError, Equatable {
        public static let name = "Limits.RequestTooLarge"
        /// The limit in bytes.
        public var limit: Int

        public init(limit: Int) { self.limit = limit }
    }

    public struct RequestMemoryExceeded: VarlinkLimitError, Equatable {
        public static let name = "Limits.RequestMemoryExceeded"
        /// The limit in bytes.
        public var limit: Int
        /// Whether the limit is that of one user rather than that of all users together.
        public var perUser: Bool

        public init(limit: Int, perUser: Bool) {
            self.limit = limit
            self.perUser = perUser
        }

        private enum CodingKeys: String, CodingKey {
            case limit
            case perUser = "per_user"
        }
    }

    public struct TimedOut: VarlinkLimitError, Equatable {
        public static let name = "Limits.TimedOut"
        /// What took too long: receiving the request or producing the reply.
        public enum Part: String, Codable, Sendable, CaseIterable { case request, answer }
        public var part: Part
        public var seconds: Double

        public init(part: Part, seconds: Double) {
            self.part = part
            self.seconds = seconds
        }
    }

    /// Returns the definition of the interface with the full name `name`.
    public static func description(name: String) -> String {
        """
        # Reasons for which the server disconnects a client, whatever method it called. The connection closes after each of
        # these errors.
        interface \(name)

        # The maximum number of connections is open, for the caller's user if `per_user` is true.
        error TooManyConnections (limit: int, per_user: bool)

        # A request may have at most `limit` bytes.
        error RequestTooLarge (limit: int)

        # Requests that are being received or processed occupy the available memory of `limit` bytes, which is that of the
        # caller's user if `per_user` is true. The same request may succeed later.
        error RequestMemoryExceeded (limit: int, per_user: bool)

        # For `seconds`, a request remained incomplete or the service did not reply.
        error TimedOut (part: (request, answer), seconds: float)

        """
    }
}

/// An error of a service's `Limits` interface, sent by the server itself. Unlike that of other errors, `name` lacks the
/// domain, which differs between services.
public protocol VarlinkLimitError: VarlinkErrorReply, CustomStringConvertible {}

extension VarlinkLimitsInterface.TooManyConnections {
    public var description: String {
        "the service already has \(limit) connections\(perUser ? " of this user" : "")"
    }
}

extension VarlinkLimitsInterface.RequestTooLarge {
    public var description: String { "the service accepts requests of at most \(limit) bytes" }
}

extension VarlinkLimitsInterface.RequestMemoryExceeded {
    public var description: String {
        "requests\(perUser ? " of this user" : "") occupy the \(limit) bytes reserved for them; try again later"
    }
}

extension VarlinkLimitsInterface.TimedOut {
    public var description: String {
        switch part {
        case .request: "the request was incomplete after \(seconds) s"
        case .answer: "the service did not reply within \(seconds) s"
        }
    }
}
