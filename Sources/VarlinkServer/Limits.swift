extension VarlinkServer {
    /// A bound on each thing a client controls.
    public struct Limits: Sendable, Equatable {
        /// Bytes of one call.
        public var messageBytes: Int
        /// Bytes of memory for all requests that are arriving or under way, by an upper bound on what reading one takes.
        public var requestMemory: Int
        /// Of them, those of one user.
        public var requestMemoryPerUser: Int
        /// Clients connected at a time.
        public var connections: Int
        /// Of them, those of one user: no user can take every place.
        public var connectionsPerUser: Int
        /// How long a connection may stand open without a call under way or begun.
        public var idle: Duration
        /// How long a call may take to arrive, from its first byte to its last.
        public var receiving: Duration
        /// How long a call may go without a reply: without its only one, or where there are several, without a further
        /// one. A subscription may for ever.
        public var answering: Duration
        /// How long a client may take to read a reply.
        public var reading: Duration
        /// How long calls under way may take to end once the server stops.
        public var grace: Duration
        /// Of lines in the log about one kind of what clients do, the time between two.
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
