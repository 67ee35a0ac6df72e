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
            /// The next hundred of those that wait.
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

    /// Needs `more`: every event from now on; `run` narrows it. The last reply, without `continues`, is
    /// `service_stopping`.
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
            public var generation: Int?
            /// Where it lies, a Hugging Face model directory that the service's user and root can read; others use `Export`.
            public var directory: String?

            public init(
                parameters: [Parameter], total: Int, configuration: JSONValue, generation: Int? = nil,
                directory: String? = nil
            ) {
                self.parameters = parameters
                self.total = total
                self.configuration = configuration
                self.generation = generation
                self.directory = directory
            }
        }
    }

    /// The numbers of one of these tensors: statistics over those that are finite, and its corners, the `values` at `rows`
    /// and `columns` of the tensor seen as a matrix, row after row; null where one is not finite.
    public enum DescribeTensor: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.DescribeTensor"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String
            public var name: String

            public init(model: String, name: String) {
                self.model = model
                self.name = name
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var shape: [Int]
            public var type: String
            public var minimum: Double
            public var maximum: Double
            public var mean: Double
            public var standardDeviation: Double
            public var zeros: Int
            public var notFinite: Int
            public var rows: [Int]
            public var columns: [Int]
            public var values: [Double?]

            public init(
                shape: [Int], type: String, minimum: Double, maximum: Double, mean: Double, standardDeviation: Double,
                zeros: Int, notFinite: Int, rows: [Int], columns: [Int], values: [Double?]
            ) {
                self.shape = shape
                self.type = type
                self.minimum = minimum
                self.maximum = maximum
                self.mean = mean
                self.standardDeviation = standardDeviation
                self.zeros = zeros
                self.notFinite = notFinite
                self.rows = rows
                self.columns = columns
                self.values = values
            }

            private enum CodingKeys: String, CodingKey {
                case shape, type, minimum, maximum, mean
                case standardDeviation = "standard_deviation"
                case zeros
                case notFinite = "not_finite"
                case rows, columns, values
            }
        }
    }

    /// What the machine has and how fast it is. Takes a second or two: products and memory are measured.
    public enum Doctor: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Doctor"
        public typealias Parameters = VarlinkNothing

        public struct Reply: Codable, Sendable, Equatable {
            public var checks: [Check]

            public init(checks: [Check]) {
                self.checks = checks
            }
        }
    }

    /// Makes a RoBERTa directory that transformers wrote a generation of the model: see `VarlinkClient.importModel`.
    public enum Import: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Import"

        /// What a Hugging Face directory has that matters here, and the only names that are taken.
        public static let fileNames = [
            "config.json", "model.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json",
            "special_tokens_map.json", "training_args.json",
        ]

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String
            public var files: [String]

            public init(model: String, files: [String]) {
                self.model = model
                self.files = files
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var transfer: String?
            public var bytes: Int?
            public var generation: Int?
            public var modelSha256: String?
            public var parameters: Int?

            public init(
                transfer: String? = nil, bytes: Int? = nil, generation: Int? = nil, modelSha256: String? = nil,
                parameters: Int? = nil
            ) {
                self.transfer = transfer
                self.bytes = bytes
                self.generation = generation
                self.modelSha256 = modelSha256
                self.parameters = parameters
            }

            private enum CodingKeys: String, CodingKey {
                case transfer, bytes, generation
                case modelSha256 = "model_sha256"
                case parameters
            }
        }
    }

    /// The files of the generation that serves: see `VarlinkClient.exportModel`.
    public enum Export: VarlinkMethod {
        public static let name = "io.kantaibert.Manager.Export"

        /// Files that one generation may have.
        public static let fileLimit = 32

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String

            public init(model: String) {
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var transfer: String?
            public var generation: Int
            public var files: [String]

            public init(transfer: String? = nil, generation: Int, files: [String]) {
                self.transfer = transfer
                self.generation = generation
                self.files = files
            }
        }
    }
}
