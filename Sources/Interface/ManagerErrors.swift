import Varlink

extension ManagerInterface {
    public struct ModelNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.ModelNotFound"

        public var model: String
        public var available: [String]

        public init(model: String, available: [String]) {
            self.model = model
            self.available = available
        }
    }

    public struct RunNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.RunNotFound"

        public var run: String

        public init(run: String) {
            self.run = run
        }
    }

    public struct CorpusNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.CorpusNotFound"

        public var sha256: String

        public init(sha256: String) {
            self.sha256 = sha256
        }
    }

    public struct GenerationNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.GenerationNotFound"

        public var model: String
        public var generation: Int

        public init(model: String, generation: Int) {
            self.model = model
            self.generation = generation
        }
    }

    public struct NothingToTrain: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.NothingToTrain"

        public var model: String
        public var reason: String

        public init(model: String, reason: String) {
            self.model = model
            self.reason = reason
        }
    }

    public struct TensorNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.TensorNotFound"

        public var model: String
        public var tensor: String

        public init(model: String, tensor: String) {
            self.model = model
            self.tensor = tensor
        }

        private enum CodingKeys: String, CodingKey {
            case model
            case tensor = "name"
        }
    }

    public struct ImportRefused: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.ImportRefused"

        public var reason: String

        public init(reason: String) {
            self.reason = reason
        }

        /// - Parameter directory: where the service has its copy, which says nothing to the caller and is taken out of
        ///   `reason`
        public init(directory: String, reason: String) {
            var text = ""
            var rest = reason[...]
            while let range = rest.firstRange(of: directory) {
                text += rest[..<range.lowerBound]
                rest = rest[range.upperBound...]
                rest = rest.hasPrefix("/") ? rest.dropFirst() : rest
            }
            self.init(reason: text + rest)
        }
    }

    public struct TransferFailed: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.TransferFailed"

        public var reason: String

        public init(reason: String) {
            self.reason = reason
        }
    }

    public struct TooManyTransfers: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.TooManyTransfers"

        public var limit: Int

        public init(limit: Int) {
            self.limit = limit
        }
    }

    public struct Overloaded: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Manager.Overloaded"

        public var retryAfterMs: Int

        public init(retryAfterMs: Int) {
            self.retryAfterMs = retryAfterMs
        }

        private enum CodingKeys: String, CodingKey {
            case retryAfterMs = "retry_after_ms"
        }
    }
}
