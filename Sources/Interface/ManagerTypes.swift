import Varlink

extension ManagerInterface {
    public struct Model: Codable, Sendable, Equatable {
        public enum Objective: String, Codable, Sendable, CaseIterable {
            case mlm, clm
        }

        public enum State: String, Codable, Sendable, CaseIterable {
            case idle, waiting, training, failed
        }

        public var name: String
        public var objective: Objective
        /// The generation that serves, or null before the first one.
        public var generation: Int?
        public var parameters: Int?
        public var vocabSize: Int?
        public var bitsPerByte: Double?
        public var evaluationLoss: Double?
        public var nextTraining: String?
        public var state: State
        /// What is waited for, or why nothing is trained; null while it is.
        public var reason: String?

        public init(
            name: String, objective: Objective, generation: Int? = nil, parameters: Int? = nil, vocabSize: Int? = nil,
            bitsPerByte: Double? = nil, evaluationLoss: Double? = nil, nextTraining: String? = nil, state: State,
            reason: String? = nil
        ) {
            self.name = name
            self.objective = objective
            self.generation = generation
            self.parameters = parameters
            self.vocabSize = vocabSize
            self.bitsPerByte = bitsPerByte
            self.evaluationLoss = evaluationLoss
            self.nextTraining = nextTraining
            self.state = state
            self.reason = reason
        }

        private enum CodingKeys: String, CodingKey {
            case name, objective, generation, parameters
            case vocabSize = "vocab_size"
            case bitsPerByte = "bits_per_byte"
            case evaluationLoss = "evaluation_loss"
            case nextTraining = "next_training"
            case state, reason
        }
    }

    public struct Corpus: Codable, Sendable, Equatable {
        public enum State: String, Codable, Sendable, CaseIterable {
            case admitted, duplicate, rejected, removed
            /// Runs failed of it: it feeds nobody until it is tried again.
            case setAside = "set_aside"
        }

        public var sha256: String
        public var name: String
        public var bytes: Int
        public var documents: Int
        public var state: State
        public var reason: String?
        public var received: String
        public var models: [String]

        public init(
            sha256: String, name: String, bytes: Int, documents: Int, state: State, reason: String? = nil,
            received: String, models: [String]
        ) {
            self.sha256 = sha256
            self.name = name
            self.bytes = bytes
            self.documents = documents
            self.state = state
            self.reason = reason
            self.received = received
            self.models = models
        }
    }

    public struct Run: Codable, Sendable, Equatable {
        public enum State: String, Codable, Sendable, CaseIterable {
            case queued, running, interrupted, finished, failed, cancelled
        }

        public var id: String
        public var model: String
        public var generation: Int?
        public var state: State
        public var reason: String?
        public var step: Int
        public var totalSteps: Int
        public var epoch: Double
        public var loss: Double?
        public var evaluationLoss: Double?
        public var tokensPerSecond: Double?
        public var remainingSeconds: Double?
        public var started: String?
        public var finished: String?

        public init(
            id: String, model: String, generation: Int? = nil, state: State, reason: String? = nil, step: Int,
            totalSteps: Int, epoch: Double, loss: Double? = nil, evaluationLoss: Double? = nil,
            tokensPerSecond: Double? = nil, remainingSeconds: Double? = nil, started: String? = nil,
            finished: String? = nil
        ) {
            self.id = id
            self.model = model
            self.generation = generation
            self.state = state
            self.reason = reason
            self.step = step
            self.totalSteps = totalSteps
            self.epoch = epoch
            self.loss = loss
            self.evaluationLoss = evaluationLoss
            self.tokensPerSecond = tokensPerSecond
            self.remainingSeconds = remainingSeconds
            self.started = started
            self.finished = finished
        }

        private enum CodingKeys: String, CodingKey {
            case id, model, generation, state, reason, step
            case totalSteps = "total_steps"
            case epoch, loss
            case evaluationLoss = "evaluation_loss"
            case tokensPerSecond = "tokens_per_second"
            case remainingSeconds = "remaining_seconds"
            case started, finished
        }
    }

    public struct Generation: Codable, Sendable, Equatable {
        public enum State: String, Codable, Sendable, CaseIterable {
            case candidate, serving, retired, rejected
        }

        public var model: String
        public var number: Int
        public var run: String
        public var state: State
        public var modelSha256: String
        public var evaluationLoss: Double?
        public var bitsPerByte: Double?
        public var created: String
        public var judgedBitsPerByte: Double?
        public var incumbent: Int?
        public var incumbentBitsPerByte: Double?
        public var reason: String?

        public init(
            model: String, number: Int, run: String, state: State, modelSha256: String, evaluationLoss: Double? = nil,
            bitsPerByte: Double? = nil, created: String, judgedBitsPerByte: Double? = nil, incumbent: Int? = nil,
            incumbentBitsPerByte: Double? = nil, reason: String? = nil
        ) {
            self.model = model
            self.number = number
            self.run = run
            self.state = state
            self.modelSha256 = modelSha256
            self.evaluationLoss = evaluationLoss
            self.bitsPerByte = bitsPerByte
            self.created = created
            self.judgedBitsPerByte = judgedBitsPerByte
            self.incumbent = incumbent
            self.incumbentBitsPerByte = incumbentBitsPerByte
            self.reason = reason
        }

        private enum CodingKeys: String, CodingKey {
            case model, number, run, state
            case modelSha256 = "model_sha256"
            case evaluationLoss = "evaluation_loss"
            case bitsPerByte = "bits_per_byte"
            case created
            case judgedBitsPerByte = "judged_bits_per_byte"
            case incumbent
            case incumbentBitsPerByte = "incumbent_bits_per_byte"
            case reason
        }
    }

    public struct StepMetric: Codable, Sendable, Equatable {
        public var step: Int
        public var epoch: Double
        public var loss: Double
        public var learningRate: Double
        public var gradientNorm: Double
        public var tokens: Int
        public var tokensPerSecond: Double
        public var time: String
        /// Model FLOPs utilization, 0 to 1; null of steps that were recorded without.
        public var mfu: Double?

        public init(
            step: Int, epoch: Double, loss: Double, learningRate: Double, gradientNorm: Double, tokens: Int,
            tokensPerSecond: Double, time: String, mfu: Double? = nil
        ) {
            self.step = step
            self.epoch = epoch
            self.loss = loss
            self.learningRate = learningRate
            self.gradientNorm = gradientNorm
            self.tokens = tokens
            self.tokensPerSecond = tokensPerSecond
            self.time = time
            self.mfu = mfu
        }

        private enum CodingKeys: String, CodingKey {
            case step, epoch, loss
            case learningRate = "learning_rate"
            case gradientNorm = "gradient_norm"
            case tokens
            case tokensPerSecond = "tokens_per_second"
            case time, mfu
        }
    }

    public struct Evaluation: Codable, Sendable, Equatable {
        public var step: Int
        public var loss: Double
        public var perplexity: Double
        public var accuracy: Double?
        public var bitsPerByte: Double?
        public var time: String

        public init(
            step: Int, loss: Double, perplexity: Double, accuracy: Double? = nil, bitsPerByte: Double? = nil,
            time: String
        ) {
            self.step = step
            self.loss = loss
            self.perplexity = perplexity
            self.accuracy = accuracy
            self.bitsPerByte = bitsPerByte
            self.time = time
        }

        private enum CodingKeys: String, CodingKey {
            case step, loss, perplexity, accuracy
            case bitsPerByte = "bits_per_byte"
            case time
        }
    }

    public struct Parameter: Codable, Sendable, Equatable {
        public var name: String
        public var shape: [Int]
        public var count: Int

        public init(name: String, shape: [Int], count: Int) {
            self.name = name
            self.shape = shape
            self.count = count
        }
    }

    /// Something that was looked at; `advice` says what to do about a warning.
    public struct Check: Codable, Sendable, Equatable {
        public enum State: String, Codable, Sendable, CaseIterable {
            case ok, warning
        }

        public var name: String
        public var state: State
        public var finding: String
        public var advice: String?

        public init(name: String, state: State, finding: String, advice: String? = nil) {
            self.name = name
            self.state = state
            self.finding = finding
            self.advice = advice
        }
    }

    public struct Event: Codable, Sendable, Equatable {
        public var kind: String
        public var message: String
        public var model: String?
        public var run: String?
        public var corpus: String?
        public var fields: JSONValue
        public var time: String

        public init(
            kind: String, message: String, model: String? = nil, run: String? = nil, corpus: String? = nil,
            fields: JSONValue, time: String
        ) {
            self.kind = kind
            self.message = message
            self.model = model
            self.run = run
            self.corpus = corpus
            self.fields = fields
            self.time = time
        }
    }
}
