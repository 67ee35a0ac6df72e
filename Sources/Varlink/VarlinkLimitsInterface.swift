/// What a server tells a client whom it cuts off: errors alone, which any call may get. The connection closes behind them.
public enum VarlinkLimitsInterface {
    public static let name = "io.kantaibert.Limits"

    public static let errors: [any VarlinkErrorReply.Type] = [
        TooManyConnections.self, RequestTooLarge.self, RequestMemoryExceeded.self, TimedOut.self,
    ]

    public struct TooManyConnections: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Limits.TooManyConnections"
        public var limit: Int
        /// The limit is that of one user, not that of all together.
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

    public struct RequestTooLarge: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Limits.RequestTooLarge"
        /// Bytes.
        public var limit: Int

        public init(limit: Int) { self.limit = limit }
    }

    public struct RequestMemoryExceeded: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Limits.RequestMemoryExceeded"
        /// Bytes.
        public var limit: Int
        /// The limit is that of one user, not that of all together.
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

    public struct TimedOut: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Limits.TimedOut"
        /// What took too long: a request that did not end, or an answer that was not ready.
        public enum Part: String, Codable, Sendable, CaseIterable { case request, answer }
        public var part: Part
        public var seconds: Double

        public init(part: Part, seconds: Double) {
            self.part = part
            self.seconds = seconds
        }
    }

    public static let description = """
        # Why a client is cut off, whatever it has called. The connection closes behind each of these errors.
        interface io.kantaibert.Limits

        # There are `limit` connections already; with `per_user`, of the caller's user.
        error TooManyConnections (limit: int, per_user: bool)

        # A request may have `limit` bytes.
        error RequestTooLarge (limit: int)

        # Requests that are under way or arriving take what there is of `limit` bytes; with `per_user`, those of the caller's
        # user. The same request may be taken later.
        error RequestMemoryExceeded (limit: int, per_user: bool)

        # After so many seconds a request had not come to its end, or the service had no answer, or no further one.
        error TimedOut (part: (request, answer), seconds: float)

        """
}

extension VarlinkLimitsInterface.TooManyConnections: CustomStringConvertible {
    public var description: String { "the service has \(limit) connections\(perUser ? " of this user" : "") already" }
}

extension VarlinkLimitsInterface.RequestTooLarge: CustomStringConvertible {
    public var description: String { "the service takes requests of at most \(limit) bytes" }
}

extension VarlinkLimitsInterface.RequestMemoryExceeded: CustomStringConvertible {
    public var description: String {
        "requests\(perUser ? " of this user" : "") take the \(limit) bytes that there are for them: try again later"
    }
}

extension VarlinkLimitsInterface.TimedOut: CustomStringConvertible {
    public var description: String {
        switch part {
        case .request: "the request was not whole after \(seconds) s"
        case .answer: "the service had no answer for \(seconds) s"
        }
    }
}
