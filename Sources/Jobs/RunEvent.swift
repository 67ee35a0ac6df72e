import FoundationEssentials
import MetricsSchema

/// An event of a run, reported to the service as one line of JSON on standard output:
/// `{"kind": "step", "time": "2026-01-01T00:00:00.000Z", "step": 1, …}`.
public struct RunEvent: Codable, Sendable, Equatable {
    public var time: Date
    public var payload: Payload

    public enum Payload: Sendable, Equatable {
        case tokenizerTrained(TokenizerTrained)
        case preflight(Preflight)
        case started(Started)
        case step(Step)
        /// Loss or gradient was not finite: the parameters are unchanged, and training continues with the next step.
        case stepSkipped(StepSkipped)
        case evaluation(Evaluation)
        /// Follows the evaluation of the same step.
        case sample(TextSample)
        case checkpoint(Checkpoint)
        case published(Published)
        /// The run was asked to stop and has written a checkpoint that it can be resumed from.
        case interrupted(Interrupted)
        case failed(Failed)
        /// Names the corpus that is read next, or shows that the run is alive when nothing else has been reported for a while.
        case working(Working)
        /// The text of the corpora and what becomes of it, before the first step.
        case textSummary(TextSummary)
        /// The text is used in an unexpected way: too little of it, or not all.
        case textWarning(TextWarning)
        case modelChosen(ModelChosen)
        /// The generation that the run starts from has been loaded.
        case startPrepared(StartPrepared)
        /// The evaluation of a published model on held-out text of a job.
        case judged(EvaluationResult)
        /// The bits per byte of a published model in each precision that it can serve in.
        case precisionsMeasured(PrecisionsMeasured)
        /// Several processes train together.
        case ranksJoined(RanksJoined)
        /// Their communication in the last steps.
        case communication(Communication)
        /// A model of other software has been converted.
        case converted(Converted)
    }

    public struct TokenizerTrained: Codable, Sendable, Equatable {
        public var vocabularySize: Int
        public var seconds: Double
        public init(vocabularySize: Int, seconds: Double) {
            self.vocabularySize = vocabularySize
            self.seconds = seconds
        }
    }

    /// The resources that a run needs, estimated before its first step.
    public struct Preflight: Codable, Sendable, Equatable {
        public var parameters: Int
        /// Floating-point operations of the matrix products in a step of typical size.
        public var flopsPerStep: Double
        /// Floating-point operations per second that this machine achieves for products of the run's shapes.
        public var productRate: Double
        /// `float32` or `bfloat16`.
        public var precision: String
        /// Why the run chose this precision; null if the job sets it or the run is resumed.
        public var precisionReason: String?
        /// Peak memory of the process.
        public var peakBytes: Int
        /// The memory available to the process, and what limits it.
        public var memoryLimitBytes: Int
        public var memoryLimitSource: String
        /// Tokens in one forward pass.
        public var microBatchTokens: Int
        /// Rows in a batch.
        public var perDeviceTrainBatchSize: Int
        /// Why the run chose this batch size; null if the job sets it or the run is resumed.
        public var batchReason: String?
        /// Expected time to the end of the run.
        public var seconds: Double
        public init(
            parameters: Int, flopsPerStep: Double, productRate: Double, precision: String,
            precisionReason: String? = nil, peakBytes: Int, memoryLimitBytes: Int, memoryLimitSource: String,
            microBatchTokens: Int, perDeviceTrainBatchSize: Int, batchReason: String?, seconds: Double
        ) {
            self.parameters = parameters
            self.flopsPerStep = flopsPerStep
            self.productRate = productRate
            self.precision = precision
            self.precisionReason = precisionReason
            self.peakBytes = peakBytes
            self.memoryLimitBytes = memoryLimitBytes
            self.memoryLimitSource = memoryLimitSource
            self.microBatchTokens = microBatchTokens
            self.perDeviceTrainBatchSize = perDeviceTrainBatchSize
            self.batchReason = batchReason
            self.seconds = seconds
        }
    }

    /// The model that a run chose where its settings say `auto`.
    public struct ModelChosen: Codable, Sendable, Equatable {
        public var architecture: Architecture
        public var numTrainEpochs: Double
        /// The limit for the training time in seconds; null if there is none.
        public var maxSeconds: Double?
        /// Expected training time if the machine does nothing else, in seconds.
        public var seconds: Double
        /// Expected bits per byte of held-out text.
        public var bitsPerByte: Double
        /// Whether the time ends before the first epoch.
        public var endsEarly: Bool
        /// Tokens and bytes of the text that is trained on.
        public var trainTokens: Int
        public var trainBytes: Int
        /// Floating-point operations per second that the choice counts on.
        public var operationsPerSecond: Double

        public init(_ model: AutomaticModel, text: TrainingText, operationsPerSecond: Double) {
            architecture = model.architecture
            numTrainEpochs = model.epochs
            maxSeconds = model.maxSeconds
            seconds = model.seconds
            bitsPerByte = model.bitsPerByte
            endsEarly = model.endsEarly
            trainTokens = text.tokens
            trainBytes = text.bytes
            self.operationsPerSecond = operationsPerSecond
        }
    }

    /// What a run that starts from a generation trains on, and what became of the generation's tokenizer.
    public struct StartPrepared: Codable, Sendable, Equatable {
        public var generation: Int
        /// Rows of new text in each epoch: all of them.
        public var newRows: Int
        /// Rows of old text in each epoch, out of `oldRows`.
        public var replayedRows: Int
        public var oldRows: Int
        public var numTrainEpochs: Double
        /// Tokens that the generation's tokenizer does not have; their embeddings are composed. 0 if it is kept.
        public var composedTokens: Int
        /// Bytes per token of new text with the generation's tokenizer and with one trained for the run; null if they were
        /// not compared.
        public var keptBytesPerToken: Double?
        public var ownBytesPerToken: Double?

        public init(
            generation: Int, newRows: Int, replayedRows: Int, oldRows: Int, numTrainEpochs: Double, composedTokens: Int,
            keptBytesPerToken: Double?, ownBytesPerToken: Double?
        ) {
            self.generation = generation
            self.newRows = newRows
            self.replayedRows = replayedRows
            self.oldRows = oldRows
            self.numTrainEpochs = numTrainEpochs
            self.composedTokens = composedTokens
            self.keptBytesPerToken = keptBytesPerToken
            self.ownBytesPerToken = ownBytesPerToken
        }
    }

    public struct Started: Codable, Sendable, Equatable {
        public var parameters: Int
        public var totalSteps: Int
        /// The step that the run resumes from; 0 for a new run.
        public var resumedStep: Int
        public var trainSamples: Int
        public var heldOutSamples: Int
        public var trainTokens: Int
        public var threads: Int
        /// `float32` or `bfloat16`.
        public var precision: String
        public init(
            parameters: Int, totalSteps: Int, resumedStep: Int, trainSamples: Int, heldOutSamples: Int,
            trainTokens: Int, threads: Int, precision: String
        ) {
            self.parameters = parameters
            self.totalSteps = totalSteps
            self.resumedStep = resumedStep
            self.trainSamples = trainSamples
            self.heldOutSamples = heldOutSamples
            self.trainTokens = trainTokens
            self.threads = threads
            self.precision = precision
        }
    }

    @dynamicMemberLookup
    public struct Step: Sendable, Equatable {
        public var metrics: StepMetrics
        public var totalSteps: Int
        public var remainingSeconds: Double
        /// Whether this is one of every `logging_steps` steps, which are logged.
        public var log: Bool

        public init(_ metrics: StepMetrics, totalSteps: Int, remainingSeconds: Double, log: Bool) {
            self.metrics = metrics
            self.totalSteps = totalSteps
            self.remainingSeconds = remainingSeconds
            self.log = log
        }

        public subscript<Value>(dynamicMember member: KeyPath<StepMetrics, Value>) -> Value {
            metrics[keyPath: member]
        }
    }

    public struct StepSkipped: Codable, Sendable, Equatable {
        public var step: Int
        public var reason: String
        public init(step: Int, reason: String) {
            self.step = step
            self.reason = reason
        }
    }

    public struct Evaluation: Codable, Sendable, Equatable {
        public var step: Int
        /// Mean cross-entropy of the scored tokens, in nats.
        public var loss: Double
        public var perplexity: Double
        /// Fraction of the scored tokens whose most likely prediction is correct.
        public var accuracy: Double
        public var bitsPerByte: Double

        public typealias CodingKeys = EvaluationField

        public init(step: Int, loss: Double, perplexity: Double, accuracy: Double, bitsPerByte: Double) {
            self.step = step
            self.loss = loss
            self.perplexity = perplexity
            self.accuracy = accuracy
            self.bitsPerByte = bitsPerByte
        }
    }

    public struct Checkpoint: Codable, Sendable, Equatable {
        public var step: Int
        public var path: String
        public init(step: Int, path: String) {
            self.step = step
            self.path = path
        }
    }

    public struct Published: Codable, Sendable, Equatable {
        public var step: Int
        public var directory: String
        /// SHA-256 of `model.safetensors`, in hexadecimal.
        public var modelSha256: String
        public var parameters: Int
        public var vocabSize: Int
        public var evaluation: Evaluation?
        public init(
            step: Int, directory: String, modelSha256: String, parameters: Int, vocabSize: Int, evaluation: Evaluation?
        ) {
            self.step = step
            self.directory = directory
            self.modelSha256 = modelSha256
            self.parameters = parameters
            self.vocabSize = vocabSize
            self.evaluation = evaluation
        }
    }

    public struct Interrupted: Codable, Sendable, Equatable {
        public var step: Int
        public init(step: Int) { self.step = step }
    }

    public struct Failed: Codable, Sendable, Equatable {
        public var message: String
        /// SHA-256 of the corpus that caused the failure, without which the run may succeed; null if no corpus did.
        public var corpus: String?
        public init(message: String, corpus: String? = nil) {
            self.message = message
            self.corpus = corpus
        }
    }

    public struct Working: Codable, Sendable, Equatable {
        /// Describes the activity in plain text.
        public var activity: String
        /// SHA-256 of the corpus that is being read, until another event replaces it; null if none is. If the process dies
        /// without reporting a failure, this corpus may be the cause.
        public var corpus: String?
        public init(activity: String, corpus: String? = nil) {
            self.activity = activity
            self.corpus = corpus
        }
    }

    public struct TextWarning: Codable, Sendable, Equatable {
        public var message: String
        public init(message: String) { self.message = message }
    }

    public struct EvaluationResult: Codable, Sendable, Equatable {
        /// The model directory.
        public var directory: String
        /// Null if the model could not be evaluated; `failureReason` has the reason.
        public var evaluation: Evaluation?
        /// The size of the held-out text.
        public var samples: Int
        public var bytes: Int
        public var seconds: Double
        public var failureReason: String?
        public init(
            directory: String, evaluation: Evaluation?, samples: Int, bytes: Int, seconds: Double,
            failureReason: String? = nil
        ) {
            self.directory = directory
            self.evaluation = evaluation
            self.samples = samples
            self.bytes = bytes
            self.seconds = seconds
            self.failureReason = failureReason
        }
    }

    public struct PrecisionsMeasured: Codable, Sendable, Equatable {
        /// The model directory.
        public var directory: String
        public var precisions: MeasuredPrecisions
        /// Number of tokens of the sample that were predicted.
        public var scoredTokens: Int
        public var seconds: Double
        public init(directory: String, precisions: MeasuredPrecisions, scoredTokens: Int, seconds: Double) {
            self.directory = directory
            self.precisions = precisions
            self.scoredTokens = scoredTokens
            self.seconds = seconds
        }
    }

    public struct Converted: Codable, Sendable, Equatable {
        /// How the model differs from the files that it was read from, one sentence each.
        public var differences: [String]
        public init(differences: [String]) { self.differences = differences }
    }

    public init(_ payload: Payload, time: Date = Date()) {
        self.payload = payload
        self.time = time
    }
}
