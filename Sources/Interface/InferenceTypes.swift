import Varlink

extension InferenceInterface {
    /// How the next token is chosen. An absent field takes the service's default; temperature 0 is greedy.
    public struct Sampling: Codable, Sendable, Equatable {
        public var maxNewTokens: Int?
        public var temperature: Double?
        public var topK: Int?
        public var topP: Double?
        public var minP: Double?
        public var repetitionPenalty: Double?
        public var stop: [String]?
        public var seed: Int?

        public init(
            maxNewTokens: Int? = nil, temperature: Double? = nil, topK: Int? = nil, topP: Double? = nil,
            minP: Double? = nil, repetitionPenalty: Double? = nil, stop: [String]? = nil, seed: Int? = nil
        ) {
            self.maxNewTokens = maxNewTokens
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.minP = minP
            self.repetitionPenalty = repetitionPenalty
            self.stop = stop
            self.seed = seed
        }

        private enum CodingKeys: String, CodingKey {
            case maxNewTokens = "max_new_tokens"
            case temperature
            case topK = "top_k"
            case topP = "top_p"
            case minP = "min_p"
            case repetitionPenalty = "repetition_penalty"
            case stop, seed
        }
    }

    /// What produced an answer, enough to produce it again.
    public struct Provenance: Codable, Sendable, Equatable {
        public var model: String
        public var generation: Int
        public var modelSha256: String
        public var seed: Int

        public init(model: String, generation: Int, modelSha256: String, seed: Int) {
            self.model = model
            self.generation = generation
            self.modelSha256 = modelSha256
            self.seed = seed
        }

        private enum CodingKeys: String, CodingKey {
            case model, generation
            case modelSha256 = "model_sha256"
            case seed
        }
    }

    /// One candidate for a mask, with the fields of the Hugging Face fill-mask pipeline.
    public struct Filling: Codable, Sendable, Equatable {
        public var score: Double
        public var token: Int
        public var tokenStr: String
        public var sequence: String

        public init(score: Double, token: Int, tokenStr: String, sequence: String) {
            self.score = score
            self.token = token
            self.tokenStr = tokenStr
            self.sequence = sequence
        }

        private enum CodingKeys: String, CodingKey {
            case score, token
            case tokenStr = "token_str"
            case sequence
        }
    }

    public struct Mask: Codable, Sendable, Equatable {
        public var fillings: [Filling]

        public init(fillings: [Filling]) {
            self.fillings = fillings
        }
    }
}
