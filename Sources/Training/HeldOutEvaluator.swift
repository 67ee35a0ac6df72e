import Datasets
import FoundationEssentials
import Jobs
import Kernels
import Models
import Tokenizers

/// Evaluates published models on the same held-out text of a job. Each model uses its own tokenizer, so the results are
/// compared in bits per byte.
///
/// Text is held out by its hash, so no model was trained on it, regardless of its corpora. If a model held out a
/// smaller share, only that share is evaluated.
public struct HeldOutEvaluator {
    /// Maximum size of the evaluated text in bytes: at most half a million tokens, which take half a minute per model
    /// on two cores for the book's model size.
    public static let mostBytes = 1 << 19

    /// Thrown when the evaluation is asked to stop.
    public struct Interrupted: Error {}

    private let job: Job
    private let control: RunControl
    private let heartbeat: Heartbeat
    private let note: (String) -> Void

    /// Maximum number of tokens in a batch.
    private static let tokensAtOnce = 1024

    public init(
        job: Job, control: RunControl = RunControl(), report: @escaping (RunEvent.Payload) -> Void,
        note: @escaping (String) -> Void = { _ in }
    ) {
        self.job = job
        self.control = control
        heartbeat = Heartbeat(report)
        self.note = note
    }

    /// A model whose precisions have not been measured, and the held-out text as its tokenizer splits it.
    private struct Unmeasured {
        let directory: String
        let batches: EvaluationBatches
        /// The tokens of the text that the mean loss of a token is applied to.
        let tokens: Int
        let bytes: Int
    }

    /// Reports one `judged` event for each model directory, in order, and then a `precisions_measured` event for those
    /// without the file `precision.json`, if the CPU has instructions for more than float32.
    /// - Throws: `TrainingError` if the job has no held-out text; `Interrupted`
    public func judge(_ directories: [String]) throws {
        let corpora = job.corpora.filter { corpus in
            let isThere = FileManager.default.isReadableFile(atPath: corpus.path)
            if !isThere { note("skipping the missing corpus \(corpus.path)") }
            return isThere
        }
        // A model trained by other software has no facts.
        let facts = directories.map { try? TrainingFacts.read(directory: $0) }
        let share = facts.compactMap { $0?.heldOut }.reduce(job.recipe.heldOut, min)
        var text = try heldOut(corpora, share)
        // In a small corpus, the smaller share may contain no samples.
        if text.samples.isEmpty { text = try heldOut(corpora, job.recipe.heldOut) }
        guard !text.samples.isEmpty else {
            throw TrainingError.tooFewSamples(TooLittleText(nil))
        }
        var unmeasured: [Unmeasured] = []
        for (directory, facts) in zip(directories, facts) {
            let start = ContinuousClock.now
            var judged = RunEvent.EvaluationResult(
                directory: directory, evaluation: nil, samples: text.samples.count, bytes: text.bytes, seconds: 0)
            do {
                judged.evaluation = try evaluate(directory, facts, text) { unmeasured.append($0) }
                if judged.evaluation == nil { judged.failureReason = "the loss is not finite" }
            } catch let error as Interrupted {
                throw error
            } catch {
                judged.failureReason = "\(error)"
            }
            judged.seconds = (ContinuousClock.now - start) / .seconds(1)
            heartbeat.tell(.judged(judged))
        }
        // After all verdicts, which do not depend on it.
        for model in unmeasured { try measurePrecisions(model) }
    }

    private func measurePrecisions(_ model: Unmeasured) throws {
        let directory = model.directory
        let evaluator = PackedEvaluator(
            directory: directory, rates: MachineProfile.current(file: job.machineFile, note: note).rates
        ) {
            try check("measuring the precisions of \(directory)")
        }
        do {
            let measured = try evaluator.measure(model.batches, tokens: model.tokens, bytes: model.bytes)
            guard let measured else { return }
            heartbeat.tell(.precisionsMeasured(measured))
        } catch let error as ModelError {
            note("the precisions of \(directory) were not measured: \(error)")
        }
    }

    private func heldOut(_ corpora: [JobCorpus], _ share: Double) throws -> HeldOutText {
        try HeldOutText(
            corpora: corpora, objective: job.objective, unit: job.samples, filters: job.filters, share: share,
            truncates: job.recipe.truncate, mostBytes: HeldOutEvaluator.mostBytes
        ) {
            try check("reading the held-out text")
        }
    }

    /// - Parameter onUnmeasured: called if the model can be evaluated and its precisions have not been measured
    private func evaluate(
        _ directory: String, _ facts: TrainingFacts?, _ text: HeldOutText, onUnmeasured: (Unmeasured) -> Void
    ) throws -> RunEvent.Evaluation? {
        let configuration = try ModelDirectory.configuration(of: directory)
        guard configuration.isDecoder == (job.objective == .clm) else {
            throw ModelError(path: directory, reason: "was not trained for the objective \(job.objective.rawValue)")
        }
        let tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        if let failureReason = tokenizer.failureReason(rows: configuration.vocabSize) {
            throw ModelError(path: directory, reason: failureReason)
        }
        let model = try RobertaModel.load(directory: directory)
        if text.hasConversations, tokenizer.conversationMarkers == nil {
            throw ModelError(
                path: directory,
                reason: "was not trained on conversations, whose replies are compared: it has no turn markers")
        }
        // Positions beyond the longest trained one contain noise.
        let trained = facts?.longestPosition ?? configuration.longestSequence
        let blockSize = max(3, min(job.recipe.blockSize, trained, configuration.longestSequence))
        let rows = text.rows(tokenizer: tokenizer, blockSize: blockSize)
        let pass = TrainingPass(
            model: model, maximumTokens: max(HeldOutEvaluator.tokensAtOnce, rows.longestRow),
            maximumSequenceLength: rows.longestRow)
        let batches = EvaluationBatches(
            shard: rows, objective: job.objective, tokenizerVocabulary: tokenizer.vocabularySize,
            maximumTokens: HeldOutEvaluator.tokensAtOnce, markers: tokenizer.conversationMarkers)
        var sums = LossAccumulator()
        for batch in batches where !batch.scoredRows.isEmpty {
            try check("evaluating \(directory)")
            sums += pass.evaluate(
                inputIDs: batch.inputIDs, sequenceOffsets: batch.sequenceOffsets, scoredRows: batch.scoredRows,
                labels: batch.labels)
        }
        let evaluation = RunEvent.Evaluation(
            sums, objective: job.objective, textTokens: rows.textTokens, textBytes: rows.textBytes,
            step: facts?.steps ?? 0)
        if evaluation != nil, MeasuredPrecisions.read(directory: directory) == nil {
            onUnmeasured(
                Unmeasured(
                    directory: directory, batches: batches,
                    tokens: job.objective == .clm ? sums.count : rows.textTokens, bytes: rows.textBytes))
        }
        return evaluation
    }

    private func check(_ activity: String) throws {
        if control.isLeaving { throw Interrupted() }
        heartbeat.beat(activity)
    }
}
