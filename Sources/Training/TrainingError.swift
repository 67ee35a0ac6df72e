import Datasets
import Durable
import Jobs
import Models
import Tokenizers

/// Why a run cannot begin, or cannot go on.
public enum TrainingError: Error, CustomStringConvertible {
    case job(JobError)
    case data(DatasetError)
    case tokenizer(TokenizerError)
    case model(ModelError)
    case file(DurableError)
    /// This corpus cannot be trained on: without it the run may well succeed.
    case corpus(sha256: String, name: String, reason: String)
    /// The corpora hold less than one batch, or nothing to be judged on.
    case tooFewSamples(training: Int, heldOut: Int, batch: Int, share: Double)
    /// A checkpoint that belongs to another run.
    case foreignCheckpoint(path: String, key: String, expected: String, found: String)
    /// Checkpoints are there, and none can be read; the reason is the newest one's.
    case damagedCheckpoint(path: String, reason: String)
    /// So many steps in a row whose loss or gradient was not finite.
    case notFinite(steps: Int, lastStep: Int, reason: String)
    /// The run's products are bfloat16's, by its settings or since it began, and this CPU has none.
    case noBFloat16(run: String)
    /// Not even one sequence at a time fits the memory there is.
    case tooLittleMemory(needed: Int, limit: Int, source: String)
    /// What the run writes does not fit the disk, beside what is kept free there.
    case tooLittleSpace(path: String, needed: Int, free: Int, reserve: Int)
    /// What should not happen.
    case other(any Error)

    public init(_ error: any Error) {
        self =
            switch error {
            case let error as TrainingError: error
            case let error as JobError: .job(error)
            // A disk that fails is no flaw of the data: the same again may go well.
            case DatasetError.file(let error): .file(error)
            case let error as DatasetError: .data(error)
            case let error as TokenizerError: .tokenizer(error)
            case let error as ModelError: .model(error)
            case let error as DurableError: .file(error)
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
        case .tooFewSamples(let training, let heldOut, let batch, let share):
            """
            the corpora: expected at least \(batch) training samples (‘recipe.per_device_train_batch_size’) and one \
            held out (‘recipe.held_out’ is \(share)), found \(training) and \(heldOut)
            """
        case .foreignCheckpoint(let path, let key, let expected, let found):
            "\(path): ‘\(key)’: expected \(expected), found \(found); the checkpoint is another job's"
        case .damagedCheckpoint(let path, let reason):
            "\(path): \(reason); without the checkpoints the run begins anew"
        case .notFinite(let steps, let lastStep, let reason):
            "\(steps) steps in a row up to step \(lastStep) could not be used: \(reason)"
        case .noBFloat16(let run):
            """
            ‘recipe.precision’: the run ‘\(run)’ multiplies bfloat16, which this CPU does not (AVX512_BF16): set it to \
            float32 or auto and start a new run, or finish this one where it began
            """
        case .tooLittleMemory(let needed, let limit, let source):
            """
            the run needs \(needed / 1_000_000) MB of memory even with one sequence at a time, and may take \
            \(limit / 1_000_000) MB (\(source)): choose a smaller preset (‘hidden_size’, ‘num_hidden_layers’, \
            ‘vocab_size’), a smaller ‘block_size’, or raise the limit
            """
        case .tooLittleSpace(let path, let needed, let free, let reserve):
            """
            the run writes up to \(needed / 1_000_000) MB below \(path), where \(free / 1_000_000) MB are free and \
            \(reserve / 1_000_000) MB stay so (retention.reserve): make room, or lower ‘save_total_limit’, \
            ‘retention.keep_generations’ or ‘retention.keep_runs’
            """
        case .other(let error): "\(error)"
        }
    }

    /// SHA-256 of the corpus that is to blame; nil where it is none's fault.
    public var corpus: String? {
        switch self {
        case .corpus(let sha256, _, _), .data(.otherBytes(_, let sha256, _, _)): sha256
        default: nil
        }
    }
}
