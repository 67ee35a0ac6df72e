import Crypto
import Digests
import Durable
import Glibc
import Jobs
import Kernels
import Models
import TextFilters
import Tokenizers

/// One model directory, open for answering: what the `Inference` interface asks of one generation.
///
/// Nothing in it changes after `init`. A request holds the engine it began on, so that a newer generation can take over
/// while older requests finish, and the older model is released with the last of them.
public final class InferenceEngine: Sendable {
    /// Where the model was read from.
    public let directory: String
    /// What the model can be asked for: `clm` where `config.json` says `is_decoder`.
    public let objective: Objective
    /// SHA-256 of `model.safetensors`, in hexadecimal.
    public let modelSHA256: String
    /// What the model was made of; nil for a directory that something else wrote.
    public let trainingArguments: TrainingFacts?
    public let tokenizer: ByteLevelBPETokenizer
    /// Why the packed weights could not be kept beside the model and take memory instead; nil where they are.
    public let packedFileFailure: DurableError?

    let model: PackedModel
    /// The generations under way.
    let batch: ContinuousBatch
    /// The sentences with masks that wait.
    let sentences: MaskBatch
    /// Whether generation may choose this id: it has a token, and is no special one but `</s>`. `[vocabSize]`
    let mayEmit: [Bool]
    /// True for every id. `[vocabSize]`
    let anyID: [Bool]
    private let filters: TextPipeline

    public var configuration: RobertaConfiguration { model.configuration }
    public var precision: WeightPrecision { model.precision }

    /// Opens a directory as `kantaibert-train` or transformers' `save_pretrained` write it. The first time, its matrices are
    /// packed into a file beside it (see `PackedFile`), which is only mapped from then on. Blocks while it reads and
    /// hashes the weights: call it from a thread that may wait.
    /// - Parameter modelSHA256: of `model.safetensors`, where it is known already; nil reads all of it
    /// - Throws: `InferenceError.load` with the file that cannot be served, and why.
    public init(
        directory: String, precision: WeightPrecision = .float32, modelSHA256 known: String? = nil
    ) throws(InferenceError) {
        self.directory = directory
        // Before the weights are read: their size is bounded by then.
        let folder = try ModelFolder(directory)
        let weights = directory + "/" + ModelDirectory.weightsFile
        do throws(DurableError) {
            if let known {
                modelSHA256 = known
            } else {
                modelSHA256 = try SHA256.hash(ofFile: weights).hexadecimal
            }
        } catch {
            throw .load(path: weights, reason: String(cString: strerror(error.errno)))
        }
        do throws(ModelError) {
            (model, packedFileFailure) = try PackedFile.openModel(
                directory: directory, configuration: folder.configuration, file: folder.weights,
                modelSHA256: modelSHA256, precision)
        } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        tokenizer = folder.tokenizer
        let rows = model.configuration.vocabSize
        objective = model.configuration.isDecoder ? .clm : .mlm
        trainingArguments = folder.facts
        filters = TextPipeline(trainingArguments?.filters ?? [])
        let special = Set(SpecialToken.allCases.map(\.rawValue)).subtracting([SpecialToken.eos.rawValue])
        anyID = Array(repeating: true, count: rows)
        batch = ContinuousBatch(model)
        sentences = MaskBatch(model)
        mayEmit = (0..<Int32(rows)).map { [tokenizer] in tokenizer.token($0) != nil && !special.contains($0) }
    }

    /// Generations that are under way or wait for a place.
    public var generationsUnderWay: Int {
        get async { await WorkQueue.models.run(for: .signOfLife, cost: 1) { [batch] () throws(Never) in batch.count } }
    }

    /// Returns once there was a turn on the queue that all models compute on: never, where it hangs.
    public static func waitForATurn() async {
        await WorkQueue.models.run(for: .signOfLife, cost: 1) { () throws(Never) in }
    }

    /// The most tokens a prompt may have, `<s>` among them. The last token of a training sample is only ever predicted: its
    /// own position was not trained.
    var longestPrompt: Int { trainingArguments == nil ? configuration.longestSequence : trainedLength - 1 }

    /// The most tokens of one sequence that training saw, `<s>` and `</s>` among them.
    var trainedLength: Int {
        min(configuration.longestSequence, trainingArguments?.longestPosition ?? configuration.longestSequence)
    }

    var filtersTexts: Bool { !filters.isEmpty }

    /// The text as the corpora were written when the model learned from them.
    func filtered(_ text: String) -> String {
        filters.prompt(text, keeping: SpecialToken.mask.content)
    }

    /// Has the model answer a fixed text.
    /// - Throws: `InferenceError.load` where a probability is not a finite number
    package func requireFiniteAnswer() throws(InferenceError) {
        let text = tokenizer.encode("The quick brown fox jumps over the lazy dog.")
        let ids =
            [SpecialToken.bos.rawValue] + text.prefix(configuration.longestSequence - 3)
            + [SpecialToken.mask.rawValue, SpecialToken.eos.rawValue]
        let rows = configuration.vocabSize
        let logits = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: Array(ids.indices))
        for row in ids.indices {
            let scores = logits.withUnsafeBufferPointer {
                Scores(UnsafeBufferPointer(rebasing: $0[row * rows..<(row + 1) * rows]), where: anyID)
            }
            guard scores.infiniteCount == 0, scores.largest.isFinite, scores.normalizer().isFinite else {
                throw .load(
                    path: "\(directory)/\(ModelDirectory.weightsFile)",
                    reason: "the model answers a fixed text with what is not a number")
            }
        }
    }

    func require(_ wanted: Objective) throws(InferenceError) {
        guard objective == wanted else { throw .wrongObjective(expected: wanted, found: objective) }
    }
}
