import Varlink

extension InferenceInterface {
    public struct ModelNotFound: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Inference.ModelNotFound"

        public var model: String
        public var available: [String]

        public init(model: String, available: [String]) {
            self.model = model
            self.available = available
        }
    }

    /// Nothing is trained yet; `state` says what the service is doing about it.
    public struct NoGeneration: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Inference.NoGeneration"

        public var model: String
        public var state: String

        public init(model: String, state: String) {
            self.model = model
            self.state = state
        }
    }

    public struct NoMask: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Inference.NoMask"

        public var text: String

        public init(text: String) {
            self.text = text
        }
    }

    public struct PromptTooLong: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Inference.PromptTooLong"

        public var tokens: Int
        public var limit: Int

        public init(tokens: Int, limit: Int) {
            self.tokens = tokens
            self.limit = limit
        }
    }

    public struct Overloaded: VarlinkErrorReply, Equatable {
        public static let name = "io.kantaibert.Inference.Overloaded"

        public var retryAfterMs: Int

        public init(retryAfterMs: Int) {
            self.retryAfterMs = retryAfterMs
        }

        private enum CodingKeys: String, CodingKey {
            case retryAfterMs = "retry_after_ms"
        }
    }
}
