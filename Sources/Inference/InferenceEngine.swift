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
    /// - Throws: `InferenceError.load` with the file that cannot be served, and why.
    public init(directory: String, precision: WeightPrecision = .float32) throws(InferenceError) {
        self.directory = directory
        let weights = directory + "/" + ModelDirectory.weightsFile
        do throws(DurableError) {
            modelSHA256 = try SHA256.hash(ofFile: weights).hexadecimal
        } catch {
            throw .load(path: weights, reason: String(cString: strerror(error.errno)))
        }
        do throws(ModelError) {
            (model, packedFileFailure) = try PackedFile.openModel(
                directory: directory, modelSHA256: modelSHA256, precision)
        } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        do throws(TokenizerError) {
            tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        } catch {
            throw .load(path: directory, reason: error.description)
        }
        let rows = model.configuration.vocabSize
        guard tokenizer.vocabularySize <= rows else {
            throw .load(
                path: directory,
                reason: "the tokenizer has \(tokenizer.vocabularySize) tokens, and the embedding only \(rows) rows")
        }
        objective = model.configuration.isDecoder ? .clm : .mlm
        trainingArguments = try TrainingFacts.read(directory: directory)
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

    func require(_ wanted: Objective) throws(InferenceError) {
        guard objective == wanted else { throw .wrongObjective(expected: wanted, found: objective) }
    }
}
