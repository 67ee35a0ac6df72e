import Crypto
import Digests
import Durable
import Glibc
import Jobs
import Kernels
import Models
import TextFilters
import Tokenizers

/// Serves requests for one model directory, which is one generation of a model.
///
/// Immutable after `init`. A request retains the engine it started with, so that a newer generation can take over while
/// older requests finish. The older model is released with the last of them.
public final class InferenceEngine: Sendable {
    /// The directory the model was loaded from.
    public let directory: String
    /// The objective of the model: `clm` if `is_decoder` is true in `config.json`.
    public let objective: Objective
    /// SHA-256 of `model.safetensors` in hexadecimal.
    public let modelSHA256: String
    /// Facts about the training run, or nil if the directory was written by other software.
    public let trainingArguments: TrainingFacts?
    public let tokenizer: ByteLevelBPETokenizer
    /// The error that prevented the packed weights from being written to a file, so that they are held in memory. Nil
    /// if they are mapped from a file.
    public let packedFileFailure: DurableError?

    let model: PackedModel
    /// The active generations.
    let batch: ContinuousBatch
    /// Texts with masks that wait to be processed.
    let sentences: MaskBatch
    /// Whether generation may choose each id: it has a token, and is not a special token other than `</s>`.
    /// `[vocabSize]`
    let allowedTokens: [Bool]
    /// Those of `allowedTokens` that begin with a space. `[vocabSize]`
    let spaceTokens: [Bool]
    /// True for every id. `[vocabSize]`
    let anyID: [Bool]
    private let markerIDs: ClosedRange<Int32>?
    private let filters: TextPipeline

    public var configuration: RobertaConfiguration { model.configuration }
    public var precision: WeightPrecision { model.precision }

    /// Opens a directory written by `kantaibert-train` or by `save_pretrained` of transformers. The first time, the
    /// matrices are packed into a file in the directory (see `PackedFile`), which is only mapped from then on. Blocks
    /// while the weights are read and hashed, so it must not be called on the cooperative thread pool.
    /// - Parameters:
    ///   - modelSHA256: the SHA-256 of `model.safetensors` if it is already known; nil hashes the file
    ///   - rates: decide which kernels multiply many rows
    /// - Throws: `InferenceError.load` with the path of the invalid file and the reason
    public init(
        directory: String, precision: WeightPrecision = .float32, modelSHA256 known: String? = nil,
        rates: InstructionRates = .ofThisProcess
    ) throws(InferenceError) {
        self.directory = directory
        // First, because it limits the size of the weights.
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
                modelSHA256: modelSHA256, precision, rates: rates)
        } catch {
            throw .load(path: error.path, reason: error.reason)
        }
        tokenizer = folder.tokenizer
        markerIDs = tokenizer.conversationMarkers?.ids
        let rows = model.configuration.vocabSize
        objective = model.configuration.isDecoder ? .clm : .mlm
        trainingArguments = folder.facts
        filters = TextPipeline(trainingArguments?.filters ?? [])
        let special = Set(SpecialToken.allCases.map(\.rawValue)).subtracting([SpecialToken.eos.rawValue])
        anyID = Array(repeating: true, count: rows)
        batch = ContinuousBatch(model)
        sentences = MaskBatch(model)
        allowedTokens = (0..<Int32(rows)).map { [tokenizer] in tokenizer.token($0) != nil && !special.contains($0) }
        spaceTokens = allowedTokens.enumerated().map { [tokenizer] id, isAllowed in
            isAllowed && tokenizer.decodeBytes([Int32(id)]).first == UInt8(ascii: " ")
        }
    }

    /// Whether a generated token ends the text: `</s>`, and the markers of conversations.
    func endsText(_ token: Int32) -> Bool {
        token == SpecialToken.eos.rawValue || markerIDs?.contains(token) == true
    }

    /// Number of generations that are active or waiting.
    public var generationsUnderWay: Int {
        get async {
            await WorkQueue.models.run(for: .livenessCheck, cost: 1) { [batch] () throws(Never) in batch.count }
        }
    }

    /// Waits for a turn on the queue on which all models compute. Does not return if the queue hangs.
    public static func waitForATurn() async {
        await WorkQueue.models.run(for: .livenessCheck, cost: 1) { () throws(Never) in }
    }

    /// Maximum number of tokens of a prompt, including `<s>`. The position of the last token of a training sample was
    /// never trained, because that token is only predicted.
    var longestPrompt: Int { trainingArguments == nil ? configuration.longestSequence : trainedLength - 1 }

    /// Maximum number of tokens in a sequence.
    public var longestSequence: Int { configuration.longestSequence }

    /// Number of numbers in an embedding.
    public var embeddingSize: Int { configuration.hiddenSize }

    /// Number of tokens of the longest training sequence, including `<s>` and `</s>`.
    var trainedLength: Int {
        min(configuration.longestSequence, trainingArguments?.longestPosition ?? configuration.longestSequence)
    }

    var filtersTexts: Bool { !filters.isEmpty }

    /// Applies the text filters that were applied to the corpora in training.
    /// - Parameter specialTokens: the special tokens in the text that are left unchanged, because they are not text
    func filtered(_ text: String, specialTokens: SpecialTokensInText) -> String {
        filters.prompt(text, keeping: specialTokens == .asText ? nil : SpecialToken.mask.content)
    }

    /// Runs the model on a fixed text.
    /// - Throws: `InferenceError.load` if a logit is not finite
    package func requireFiniteAnswer() throws(InferenceError) {
        let text = tokenizer.encode("The quick brown fox jumps over the lazy dog.", specialTokens: .asText)
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
                    reason: "the model produces non-finite logits for a test text")
            }
        }
    }

    func require(_ wanted: Objective) throws(InferenceError) {
        guard objective == wanted else { throw .wrongObjective(expected: wanted, found: objective) }
    }
}
