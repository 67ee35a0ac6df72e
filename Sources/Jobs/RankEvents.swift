extension RunEvent {
    /// The processes that train together have found each other.
    public struct RanksJoined: Codable, Sendable, Equatable {
        public struct Host: Codable, Sendable, Equatable {
            public var name: String
            public var ranks: Int
            public init(name: String, ranks: Int) {
                self.name = name
                self.ranks = ranks
            }
        }

        public var ranks: Int
        public var hosts: [Host]
        /// Name and version of the MPI library.
        public var library: String
        /// Why the bytes of the model may differ from those of a run on other hosts; empty if they do not.
        public var doubts: [String]
        public init(ranks: Int, hosts: [Host], library: String, doubts: [String]) {
            self.ranks = ranks
            self.hosts = hosts
            self.library = library
            self.doubts = doubts
        }
    }

    /// How the steps since the last such event were divided between computing and communication.
    public struct Communication: Codable, Sendable, Equatable {
        /// The last step.
        public var step: Int
        /// Number of steps.
        public var steps: Int
        /// Mean duration of a step on rank 0.
        public var secondsPerStep: Double
        /// Mean time of rank 0 in exchanges, including the time in which it waits for slower ranks.
        public var communicationSeconds: Double
        /// Mean number of bytes that rank 0 sends in a step.
        public var bytesPerStep: Int
        /// The rank that computes its gradients slowest, its host, and its mean time in a step; then that of the fastest.
        public var slowestRank: Int
        public var slowestHost: String
        public var slowestSeconds: Double
        public var fastestSeconds: Double
        public init(
            step: Int, steps: Int, secondsPerStep: Double, communicationSeconds: Double, bytesPerStep: Int,
            slowestRank: Int, slowestHost: String, slowestSeconds: Double, fastestSeconds: Double
        ) {
            self.step = step
            self.steps = steps
            self.secondsPerStep = secondsPerStep
            self.communicationSeconds = communicationSeconds
            self.bytesPerStep = bytesPerStep
            self.slowestRank = slowestRank
            self.slowestHost = slowestHost
            self.slowestSeconds = slowestSeconds
            self.fastestSeconds = fastestSeconds
        }
    }
}
