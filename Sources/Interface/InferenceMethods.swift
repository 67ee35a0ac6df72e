import Varlink

extension InferenceInterface {
    /// One entry of `masks` for each <mask> in `text`, in order. `targets` restricts the candidates to these words.
    public enum FillMask: VarlinkMethod {
        public static let name = "io.kantaibert.Inference.FillMask"

        public struct Parameters: Codable, Sendable, Equatable {
            public var text: String
            public var model: String?
            public var topK: Int?
            public var targets: [String]?

            public init(text: String, model: String? = nil, topK: Int? = nil, targets: [String]? = nil) {
                self.text = text
                self.model = model
                self.topK = topK
                self.targets = targets
            }

            private enum CodingKeys: String, CodingKey {
                case text, model
                case topK = "top_k"
                case targets
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var masks: [Mask]
            public var receipt: Provenance

            public init(masks: [Mask], receipt: Provenance) {
                self.masks = masks
                self.receipt = receipt
            }
        }
    }

    /// Called with `more`, replies with each piece of text as it is made; the last reply has `finish_reason`, the counts
    /// and the receipt. Called without, replies once with the whole text. Closing the connection cancels.
    public enum Generate: VarlinkMethod {
        public static let name = "io.kantaibert.Inference.Generate"

        public struct Parameters: Codable, Sendable, Equatable {
            public var prompt: String
            public var model: String?
            public var sampling: Sampling?

            public init(prompt: String, model: String? = nil, sampling: Sampling? = nil) {
                self.prompt = prompt
                self.model = model
                self.sampling = sampling
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public enum FinishReason: String, Codable, Sendable, CaseIterable {
                case stop, length, end
            }

            public var text: String
            public var finishReason: FinishReason?
            public var promptTokens: Int?
            public var generatedTokens: Int?
            public var receipt: Provenance?

            public init(
                text: String, finishReason: FinishReason? = nil, promptTokens: Int? = nil, generatedTokens: Int? = nil,
                receipt: Provenance? = nil
            ) {
                self.text = text
                self.finishReason = finishReason
                self.promptTokens = promptTokens
                self.generatedTokens = generatedTokens
                self.receipt = receipt
            }

            private enum CodingKeys: String, CodingKey {
                case text
                case finishReason = "finish_reason"
                case promptTokens = "prompt_tokens"
                case generatedTokens = "generated_tokens"
                case receipt
            }
        }
    }

    /// How likely the model finds the text: log-likelihood for a causal model, pseudo-log-likelihood for a masked one.
    public enum Score: VarlinkMethod {
        public static let name = "io.kantaibert.Inference.Score"

        public struct Parameters: Codable, Sendable, Equatable {
            public var text: String
            public var model: String?

            public init(text: String, model: String? = nil) {
                self.text = text
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var logLikelihood: Double
            public var tokens: Int
            public var bitsPerByte: Double
            public var receipt: Provenance

            public init(logLikelihood: Double, tokens: Int, bitsPerByte: Double, receipt: Provenance) {
                self.logLikelihood = logLikelihood
                self.tokens = tokens
                self.bitsPerByte = bitsPerByte
                self.receipt = receipt
            }

            private enum CodingKeys: String, CodingKey {
                case logLikelihood = "log_likelihood"
                case tokens
                case bitsPerByte = "bits_per_byte"
                case receipt
            }
        }
    }

    public enum Tokenize: VarlinkMethod {
        public static let name = "io.kantaibert.Inference.Tokenize"

        public struct Parameters: Codable, Sendable, Equatable {
            public var text: String
            public var model: String?

            public init(text: String, model: String? = nil) {
                self.text = text
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var ids: [Int]
            public var tokens: [String]

            public init(ids: [Int], tokens: [String]) {
                self.ids = ids
                self.tokens = tokens
            }
        }
    }

    public enum Detokenize: VarlinkMethod {
        public static let name = "io.kantaibert.Inference.Detokenize"

        public struct Parameters: Codable, Sendable, Equatable {
            public var ids: [Int]
            public var model: String?

            public init(ids: [Int], model: String? = nil) {
                self.ids = ids
                self.model = model
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var text: String

            public init(text: String) {
                self.text = text
            }
        }
    }
}
