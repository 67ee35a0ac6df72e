extension VarlinkServer {
    /// Limits on every resource that a client controls.
    public struct Limits: Sendable, Equatable {
        /// The maximum size of a call in bytes.
        public var messageBytes: Int
        /// The memory for requests that are being received or processed, in bytes, computed from an upper bound on what
        /// decoding a request takes.
        public var requestMemory: Int
        /// The part of `requestMemory` available to one user.
        public var requestMemoryPerUser: Int
        /// The maximum number of concurrent connections.
        public var connections: Int
        /// The maximum number of concurrent connections of one user, so that no user can occupy all of them.
        public var connectionsPerUser: Int
        /// How long a connection may stay open without a call.
        public var idle: Duration
        /// How long receiving a call may take, from its first byte to its last.
        public var receiving: Duration
        /// How long a call may go without a reply or, if it returns several, without a further one. Does not apply to
        /// subscriptions.
        public var answering: Duration
        /// How long a client may take to read a reply.
        public var reading: Duration
        /// How long calls in progress may take to finish when the server stops.
        public var grace: Duration
        /// The minimum interval between log messages about the same kind of client behavior.
        public var logInterval: Duration

        public init(
            messageBytes: Int = 4 << 20, requestMemory: Int = 256 << 20, requestMemoryPerUser: Int = 128 << 20,
            connections: Int = 256, connectionsPerUser: Int = 128,
            idle: Duration = .seconds(600), receiving: Duration = .seconds(30), answering: Duration = .seconds(120),
            reading: Duration = .seconds(30), grace: Duration = .seconds(5), logInterval: Duration = .seconds(10)
        ) {
            self.messageBytes = messageBytes
            self.requestMemory = requestMemory
            self.requestMemoryPerUser = requestMemoryPerUser
            self.connections = connections
            self.connectionsPerUser = connectionsPerUser
            self.idle = idle
            self.receiving = receiving
            self.answering = answering
            self.reading = reading
            self.grace = grace
            self.logInterval = logInterval
        }
    }
}
