import Datasets
import Durable
import Glibc
import Jobs
import Kernels
import Models
import Parallel
import Tokenizers

/// One training run, from a job to a published model directory.
///
/// A run that is stopped at any moment goes on from its last checkpoint as if it had never stopped: the same job gives
/// the same bytes. Only `max_time` may make a difference.
public final class Trainer {
    /// How a run ended.
    public enum Outcome: Sendable {
        case published(RunEvent.Published)
        /// It was told to leave, and can be started again from this step.
        case interrupted(step: Int)
    }

    private let job: Job
    private let control: RunControl
    private let report: (RunEvent.Payload) -> Void
    private let note: (String) -> Void
    private var watch = Stopwatch()

    /// Skipped steps in a row after which a run fails.
    private static let maximumBadSteps = 10

    /// - Parameters:
    ///   - control: what the run is told while it works
    ///   - report: gets every event, in order, in the thread that runs
    ///   - note: gets what a person may want to know, one line each
    public init(
        job: Job, control: RunControl = RunControl(), report: @escaping (RunEvent.Payload) -> Void,
        note: @escaping (String) -> Void = { _ in }
    ) {
        self.job = job
        self.control = control
        self.report = report
        self.note = note
    }

    /// Runs to the end, in the calling thread and on the thread pool.
    public func run() throws(TrainingError) -> Outcome {
        do {
            return try runHoldingLock()
        } catch {
            throw TrainingError(error)
        }
    }

    private func runHoldingLock() throws -> Outcome {
        try job.validate()
        let folder = try RunFolder(job: job)
        try Durable.makeDirectory(job.runDirectory)
        let lock = try FileLock(path: "\(job.runDirectory)/lock")
        defer { withExtendedLifetime(lock) {} }
        try TemporaryName.clearLeftovers(in: job.runDirectory)
        let publisher = Publisher(job: job)
        if let published = try publisher.alreadyPublished() {
            report(.published(published))
            return .published(published)
        }
        let run = try prepare(folder)
        if control.isLeaving { return interrupted(step: run.step) }
        return try train(run, publisher)
    }

    // MARK: - Before the first step

    /// Everything the steps need, and where they stand.
    private struct Run {
        let tokenizer: ByteLevelBPETokenizer
        let shards: TokenShards
        let learner: Learner
        let checkpoints: CheckpointStore
        let schedule: Schedule
        let heldOut: EvaluationBatches
        var batcher: Batcher
        /// Steps behind the run.
        var step = 0
        /// Skipped steps in a row.
        var badSteps = 0
        /// The step of the newest checkpoint.
        var savedStep = 0
        /// Steps of this process, and what one takes, by the last twenty or so of them.
        var stepsTimed = 0
        var secondsPerStep = 0.0
    }

    private func prepare(_ folder: RunFolder) throws -> Run {
        let recipe = job.recipe
        let tokenizer = try folder.tokenizer { size in
            report(.tokenizerTrained(.init(vocabularySize: size, seconds: watch.seconds)))
        }
        let configuration = try RobertaConfiguration(job: job, tokenizerVocabulary: tokenizer.vocabularySize)
        let digest = try folder.tokenizerDigest()
        let shards = try folder.shards(tokenizer: tokenizer, tokenizerDigest: digest, note: note)
        let (training, heldOut) = (shards.training.totals, shards.heldOut.totals)
        guard training.rows >= recipe.perDeviceTrainBatchSize, heldOut.rows >= 1 else {
            throw TrainingError.tooFewSamples(
                training: training.rows, heldOut: heldOut.rows, batch: recipe.perDeviceTrainBatchSize,
                share: recipe.heldOut)
        }
        let precision = try folder.precision()
        let learner = Learner(
            model: RobertaModel.initialized(configuration: configuration, seed: recipe.seed), recipe: recipe,
            longestRow: max(training.longestRow, heldOut.longestRow), precision: precision)
        let batcher = Batcher(
            shard: shards.training, objective: job.objective, batchSize: recipe.perDeviceTrainBatchSize,
            mlmProbability: recipe.mlmProbability, tokenizerVocabulary: tokenizer.vocabularySize, seed: recipe.seed)
        let evaluation = EvaluationBatches(
            shard: shards.heldOut, objective: job.objective, mlmProbability: recipe.mlmProbability,
            tokenizerVocabulary: tokenizer.vocabularySize, maximumTokens: learner.maximumTokens)
        var architecture = job.architecture
        architecture.vocabSize = configuration.vocabSize
        let identity = CheckpointState.Identity(
            objective: job.objective, architecture: architecture, seed: recipe.seed,
            perDeviceTrainBatchSize: recipe.perDeviceTrainBatchSize, tokenizer: digest,
            trainingTokens: training.tokens, trainingRows: training.rows)
        var run = Run(
            tokenizer: tokenizer, shards: shards, learner: learner,
            checkpoints: CheckpointStore(directory: job.runDirectory, identity: identity),
            schedule: Schedule(recipe: recipe, stepsPerEpoch: batcher.stepsPerEpoch), heldOut: evaluation,
            batcher: batcher)
        if let state = try run.checkpoints.restore(into: learner, note: note) {
            run.step = state.step
            run.savedStep = state.step
            run.badSteps = state.badSteps
            watch.earlierSeconds = state.elapsedSeconds
        }
        report(
            .started(
                .init(
                    parameters: learner.model.parameters.layout.count, totalSteps: run.schedule.totalSteps,
                    resumedStep: run.step, trainSamples: training.rows, heldOutSamples: heldOut.rows,
                    trainTokens: training.tokens, threads: ThreadPool.shared.threads,
                    precision: precision.rawValue)))
        return run
    }

    // MARK: - Steps

    private func train(_ run: Run, _ publisher: Publisher) throws -> Outcome {
        var run = run
        var lastEvaluation: RunEvent.Evaluation?
        while !run.schedule.isOver(step: run.step, elapsedSeconds: watch.seconds) {
            switch watch.pausing({ control.next() }) {
            case .leave:
                try saveCheckpoint(&run)
                return interrupted(step: run.step)
            case .checkpoint:
                try saveCheckpoint(&run)
                continue
            case .goOn:
                try takeStep(&run)
            }
            if run.step % job.recipe.evalSteps == 0 { lastEvaluation = evaluate(run) }
            if run.step % job.recipe.saveSteps == 0 { try saveCheckpoint(&run) }
        }
        if lastEvaluation?.step != run.step { lastEvaluation = evaluate(run) }
        return try publish(run, lastEvaluation, publisher)
    }

    private func takeStep(_ run: inout Run) throws {
        let step = run.step
        let learningRate = run.schedule.learningRate(step: step, elapsedSeconds: watch.seconds)
        let start = watch.seconds
        let batch = run.batcher.batch(step: step)
        let outcome = run.learner.learn(batch, step: step, learningRate: learningRate)
        let seconds = watch.seconds - start
        run.step += 1
        if let flaw = outcome.flaw {
            run.badSteps += 1
            report(.stepSkipped(.init(step: run.step, reason: flaw)))
            guard run.badSteps < Trainer.maximumBadSteps else {
                throw TrainingError.notFinite(steps: run.badSteps, lastStep: run.step, reason: flaw)
            }
            return
        }
        run.badSteps = 0
        run.stepsTimed += 1
        run.secondsPerStep += (seconds - run.secondsPerStep) / Double(min(run.stepsTimed, 20))
        let remaining = run.schedule.remaining(
            step: run.step, elapsedSeconds: watch.seconds, secondsPerStep: run.secondsPerStep)
        let isWorthALine = run.step == 1 || run.step % job.recipe.loggingSteps == 0 || remaining.steps == 0
        report(
            .step(
                .init(
                    step: run.step, totalSteps: run.step + remaining.steps,
                    epoch: Double(run.step) / Double(run.batcher.stepsPerEpoch), loss: outcome.loss,
                    learningRate: learningRate, gradientNorm: outcome.gradientNorm, tokens: batch.tokens,
                    tokensPerSecond: Double(batch.tokens) / max(seconds, 1e-9), remainingSeconds: remaining.seconds,
                    log: isWorthALine)))
    }

    private func evaluate(_ run: Run) -> RunEvent.Evaluation? {
        let evaluation = run.learner.evaluate(
            run.heldOut, totals: run.shards.heldOut.totals, objective: job.objective, step: run.step)
        if let evaluation { report(.evaluation(evaluation)) }
        return evaluation
    }

    private func saveCheckpoint(_ run: inout Run) throws {
        guard run.savedStep != run.step else { return }
        let state = CheckpointState(
            step: run.step, updates: run.learner.optimizer.updates, elapsedSeconds: watch.seconds,
            badSteps: run.badSteps, identity: run.checkpoints.identity, stateSha256: "")
        let path = try run.checkpoints.save(run.learner, state: state, limit: job.recipe.saveTotalLimit)
        run.savedStep = run.step
        report(.checkpoint(.init(step: run.step, path: path)))
    }

    private func interrupted(step: Int) -> Outcome {
        report(.interrupted(.init(step: step)))
        return .interrupted(step: step)
    }

    private func publish(_ run: Run, _ evaluation: RunEvent.Evaluation?, _ publisher: Publisher) throws -> Outcome {
        let model = run.learner.model
        let arguments = TrainingArguments(
            job: job, longestPosition: run.shards.training.totals.longestRow, steps: run.step,
            trainingTokens: run.shards.training.totals.tokens, tokenizerVocabulary: run.tokenizer.vocabularySize,
            evaluation: evaluation)
        let digest = try publisher.publish(model, tokenizer: run.tokenizer, arguments: arguments)
        let published = RunEvent.Published(
            step: run.step, directory: job.outputDirectory, modelSha256: digest,
            parameters: model.parameters.layout.count, vocabSize: model.configuration.vocabSize,
            evaluation: evaluation)
        report(.published(published))
        return .published(published)
    }
}

extension RobertaConfiguration {
    /// The model a job describes, with an embedding that holds every token.
    init(job: Job, tokenizerVocabulary: Int) throws(JobError) {
        let architecture = job.architecture
        let rows = architecture.vocabSize ?? (tokenizerVocabulary + 63) & ~63
        guard rows >= tokenizerVocabulary else {
            throw JobError(
                key: "architecture.vocab_size", expected: "at least \(tokenizerVocabulary), the tokenizer's tokens",
                found: "\(rows)")
        }
        self.init(
            vocabSize: rows, hiddenSize: architecture.hiddenSize, numHiddenLayers: architecture.numHiddenLayers,
            numAttentionHeads: architecture.numAttentionHeads, intermediateSize: architecture.intermediateSize,
            maxPositionEmbeddings: architecture.maxPositionEmbeddings, isDecoder: job.objective == .clm,
            hiddenDropoutProb: architecture.hiddenDropoutProb,
            attentionProbsDropoutProb: architecture.attentionProbsDropoutProb,
            initializerRange: architecture.initializerRange, layerNormEps: architecture.layerNormEps)
    }
}

/// Seconds a run has been at work, those before it was resumed included, those it was paused left out.
struct Stopwatch {
    var earlierSeconds = 0.0
    private var start = ContinuousClock.now

    var seconds: Double { earlierSeconds + (ContinuousClock.now - start) / .seconds(1) }

    /// What `body` takes does not count.
    mutating func pausing<Value>(_ body: () -> Value) -> Value {
        let before = ContinuousClock.now
        let value = body()
        start += ContinuousClock.now - before
        return value
    }
}
