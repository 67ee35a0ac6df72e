import Varlink

extension ManagerInterface {
    public enum GetStatus: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.GetStatus"
        public typealias Parameters = VarlinkNothing

        public struct Reply: Codable, Sendable, Equatable {
            public var version: String
            public var uptimeSeconds: Double
            public var models: [Model]
            public var run: Run?
            public var queued: [Run]
            public var inboxPending: Int
            public var resources: JSONValue

            public init(
                version: String, uptimeSeconds: Double, models: [Model], run: Run? = nil, queued: [Run],
                inboxPending: Int, resources: JSONValue
            ) {
                self.version = version
                self.uptimeSeconds = uptimeSeconds
                self.models = models
                self.run = run
                self.queued = queued
                self.inboxPending = inboxPending
                self.resources = resources
            }

            private enum CodingKeys: String, CodingKey {
                case version
                case uptimeSeconds = "uptime_seconds"
                case models, run, queued
                case inboxPending = "inbox_pending"
                case resources
            }
        }
    }

    public enum ListModels: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.ListModels"
        public typealias Parameters = VarlinkNothing

        public struct Reply: Codable, Sendable, Equatable {
            public var models: [Model]

            public init(models: [Model]) {
                self.models = models
            }
        }
    }

    public enum ListCorpora: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.ListCorpora"

        public struct Parameters: Codable, Sendable, Equatable {
            public var state: String?

            public init(state: String? = nil) {
                self.state = state
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var corpora: [Corpus]

            public init(corpora: [Corpus]) {
                self.corpora = corpora
            }
        }
    }

    public enum ListRuns: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.ListRuns"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String?
            public var limit: Int?

            public init(model: String? = nil, limit: Int? = nil) {
                self.model = model
                self.limit = limit
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var runs: [Run]

            public init(runs: [Run]) {
                self.runs = runs
            }
        }
    }

    public enum ListGenerations: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.ListGenerations"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String

            public init(model: String) {
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var generations: [Generation]

            public init(generations: [Generation]) {
                self.generations = generations
            }
        }
    }

    public enum GetMetrics: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.GetMetrics"

        public struct Parameters: Codable, Sendable, Equatable {
            public var run: String
            public var afterStep: Int?

            public init(run: String, afterStep: Int? = nil) {
                self.run = run
                self.afterStep = afterStep
            }

            private enum CodingKeys: String, CodingKey {
                case run
                case afterStep = "after_step"
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var steps: [StepMetric]
            public var evaluations: [Evaluation]

            public init(steps: [StepMetric], evaluations: [Evaluation]) {
                self.steps = steps
                self.evaluations = evaluations
            }
        }
    }

    /// Needs `more`: every event from now on; `run` narrows it.
    public enum Watch: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Watch"

        public struct Parameters: Codable, Sendable, Equatable {
            public var run: String?

            public init(run: String? = nil) {
                self.run = run
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var event: Event

            public init(event: Event) {
                self.event = event
            }
        }
    }

    /// Starts a run now, whatever the schedule says. Without `force`, only where there is something new to learn from.
    public enum Train: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Train"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String?
            public var force: Bool?

            public init(model: String? = nil, force: Bool? = nil) {
                self.model = model
                self.force = force
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var runs: [String]

            public init(runs: [String]) {
                self.runs = runs
            }
        }
    }

    public enum CancelRun: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.CancelRun"
        public typealias Reply = VarlinkNothing

        public struct Parameters: Codable, Sendable, Equatable {
            public var run: String

            public init(run: String) {
                self.run = run
            }
        }
    }

    /// Takes a corpus out of every training that begins from now on; its text goes when no run needs it.
    public enum RemoveCorpus: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.RemoveCorpus"
        public typealias Reply = VarlinkNothing

        public struct Parameters: Codable, Sendable, Equatable {
            public var sha256: String

            public init(sha256: String) {
                self.sha256 = sha256
            }
        }
    }

    /// Makes an existing generation the one that serves: also the way back.
    public enum Promote: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Promote"
        public typealias Reply = VarlinkNothing

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String
            public var generation: Int

            public init(model: String, generation: Int) {
                self.model = model
                self.generation = generation
            }
        }
    }

    /// The tensors of the generation that serves, in Hugging Face's order.
    public enum Describe: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Describe"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String

            public init(model: String) {
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var parameters: [Parameter]
            public var total: Int
            public var configuration: JSONValue

            public init(parameters: [Parameter], total: Int, configuration: JSONValue) {
                self.parameters = parameters
                self.total = total
                self.configuration = configuration
            }
        }
    }
}
