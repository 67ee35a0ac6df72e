import Datasets
import Distribution
import Durable
import Formatting
import Jobs
import Models
import Tokenizers

/// The reason a run cannot start or continue.
public enum TrainingError: Error, CustomStringConvertible {
    case job(JobError)
    case data(DatasetError)
    case tokenizer(TokenizerError)
    case model(ModelError)
    case file(DurableError)
    /// A corpus that cannot be trained on; the run may succeed without it.
    case corpus(sha256: String, name: String, reason: String)
    /// The corpora have no training sample, or no held-out sample.
    case tooFewSamples(TooLittleText)
    /// A checkpoint that belongs to another run.
    case foreignCheckpoint(path: String, key: String, expected: String, found: String)
    /// Checkpoints exist, but none can be read; the reason is that of the newest one.
    case damagedCheckpoint(path: String, reason: String)
    /// The generation that the run starts from is not the one that the job names, or has been removed.
    case start(generation: Int, path: String, reason: String)
    /// Too many consecutive steps with a loss or gradient that is not finite.
    case notFinite(steps: Int, lastStep: Int, reason: String)
    /// The run uses bfloat16, because of its settings or because it was started with it, and this CPU does not support
    /// it.
    case noBFloat16(run: String)
    /// Even one sequence at a time does not fit into memory.
    case tooLittleMemory(needed: Int, limit: Int, source: String)
    /// The disk does not have room for the run in addition to the reserved space.
    case tooLittleSpace(path: String, needed: Int, free: Int, reserve: Int)
    /// The ranks cannot train together.
    case ranks(String)
    /// A rank has ended, is hung or cannot be reached. The run resumes from its checkpoint.
    case communication(CommunicationError)
    /// An unexpected error.
    case other(any Error)

    public init(_ error: any Error) {
        self =
            switch error {
            case let error as TrainingError: error
            case let error as JobError: .job(error)
            // A disk error is not a problem of the data: a retry may succeed.
            case DatasetError.file(let error): .file(error)
            case let error as DatasetError: .data(error)
            case let error as TokenizerError: .tokenizer(error)
            case let error as ModelError: .model(error)
            case let error as DurableError: .file(error)
            case let error as CommunicationError: .communication(error)
            default: .other(error)
            }
    }

    public var description: String {
        switch self {
        case .job(let error): "\(error)"
        case .data(let error): "\(error)"
        case .tokenizer(let error): "\(error)"
        case .model(let error): "\(error)"
        case .file(let error): "\(error)"
        case .corpus(let sha256, let name, let reason): "the corpus \(name) (\(sha256.prefix(12))): \(reason)"
        case .tooFewSamples(let text): text.message
        case .foreignCheckpoint(let path, let key, let expected, let found):
            "\(path): ‘\(key)’: expected \(expected), found \(found); the checkpoint belongs to another job"
        case .damagedCheckpoint(let path, let reason):
            "\(path): \(reason); to start the run from the beginning, delete its checkpoints"
        case .start(let generation, let path, let reason):
            """
            the run starts from generation \(generation), but \(path) \(reason): start a new run, which starts from the \
            generation that serves then, or set ‘start’ to fresh
            """
        case .notFinite(let steps, let lastStep, let reason):
            "\(steps) consecutive steps up to step \(lastStep) were skipped: \(reason)"
        case .noBFloat16(let run):
            """
            ‘recipe.precision’: the run ‘\(run)’ uses bfloat16, which this CPU does not support (AVX512_BF16): set it \
            to float32 or auto and start a new run, or resume this one on the machine where it was started
            """
        case .tooLittleMemory(let needed, let limit, let source):
            """
            the run needs \(MessageFormat.bytes(needed)) of memory even with one sequence at a time, but the limit is \
            \(MessageFormat.bytes(limit)) (\(source)): choose a smaller preset (‘hidden_size’, ‘num_hidden_layers’, \
            ‘vocab_size’), a smaller ‘block_size’, or raise the limit
            """
        case .tooLittleSpace(let path, let needed, let free, let reserve):
            """
            the run writes up to \(MessageFormat.bytes(needed)) below \(path), where \(MessageFormat.bytes(free)) are free, \
            \(MessageFormat.bytes(reserve)) of them reserved (retention.reserve): make room, or lower ‘save_total_limit’, \
            ‘retention.keep_generations’ or ‘retention.keep_runs’
            """
        case .ranks(let reason): reason
        case .communication(let error): "\(error)"
        case .other(let error): "\(error)"
        }
    }

    /// SHA-256 of the corpus that caused the error, or nil.
    public var corpus: String? {
        switch self {
        case .corpus(let sha256, _, _), .data(.otherBytes(_, let sha256, _, _)): sha256
        default: nil
        }
    }
}
