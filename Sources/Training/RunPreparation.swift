import Datasets
import Durable
import Formatting
import Jobs
import Kernels
import Models
import Parallel
import Tokenizers

/// The objects and the state of a run in progress.
struct Run {
    let tokenizer: ByteLevelBPETokenizer
    let shards: TokenShards
    let decisions: RuntimePlan
    let cost: StepCost
    let trainStep: TrainStep
    let checkpoints: CheckpointStore
    let schedule: LearningRateSchedule
    let heldOut: EvaluationBatches
    /// Nil if the run writes no samples.
    let sampler: TextSampler?
    var batcher: Batcher
    var cadence: CheckpointInterval
    var evaluations = EvaluationHistory()
    /// Completed steps, including skipped ones.
    var step = 0
    /// Number of consecutive skipped steps.
    var badSteps = 0
    /// Step of the newest checkpoint.
    var savedStep = 0
    /// Number of steps in this process, and the average duration of about the last twenty.
    var stepsTimed = 0
    var secondsPerStep = 0.0
    /// Steps whose communication has not been reported yet, and their duration.
    var unreported = (steps: 0, seconds: 0.0, times: Team.Times.zero)
    /// Operations per second: measured before the first step, raised to the rate of the fastest step.
    var productRate: Double
}

extension Trainer {
    /// Prepares a new run for its first step, or restores an earlier run from its newest checkpoint.
    func prepare(_ folder: RunDirectory) throws -> Run {
        let limit = MemoryLimit.current(given: memoryLimit).bytes
        let earlier = try RuntimePlan.read(for: job)
        let generation = try startingGeneration()
        var comparison: TokenizerComparison?
        let tokenizer = try folder.tokenizer(of: generation, memoryLimit: limit, heartbeat: heartbeat) {
            comparison = $0
        } trained: { size in
            report(.tokenizerTrained(.init(vocabularySize: size, seconds: watch.seconds)))
        }
        let rows = try job.embeddingRows(tokenizerVocabulary: tokenizer.vocabularySize)
        let digest = try folder.digest(of: tokenizer)
        let shards = try folder.shards(
            tokenizer: tokenizer, tokenizerDigest: digest, diskReserve: diskReserve, heartbeat: heartbeat, note: note)
        let (training, heldOut) = (shards.training.totals, shards.heldOut.totals)
        guard training.rows >= 1, heldOut.rows >= 1 else {
            throw TrainingError.tooFewSamples(TooLittleText(shards.summary))
        }
        let choice = try earlier?.model ?? chooseModel(for: .init(shards, vocabulary: rows), generation)
        if let choice { job.adopt(choice) }
        let configuration = try RobertaConfiguration(job.architecture, rows: rows, objective: job.objective)
        if let size = earlier?.perDeviceTrainBatchSize, job.recipe.perDeviceTrainBatchSize == nil {
            job.recipe.perDeviceTrainBatchSize = size
        }
        let epoch = job.epoch(of: shards)
        let chosenBatch = job.recipe.batch(for: epoch)
        job.recipe = job.recipe.fitted(to: epoch)
        let recipe = job.recipe
        let batcher = Batcher(
            shard: shards.training, objective: job.objective, batchSize: recipe.samplesPerStep, recipe: recipe,
            tokenizerVocabulary: tokenizer.vocabularySize, markers: tokenizer.conversationMarkers,
            replay: job.replay(shards))
        var schedule = LearningRateSchedule(recipe: recipe, stepsPerEpoch: batcher.stepsPerEpoch)
        let preflight = Preflight(
            job: job, configuration: configuration, shards: shards, batcher: batcher, schedule: schedule,
            chosenModel: choice, chosenBatch: chosenBatch, machine: { self.machine }, memoryLimit: memoryLimit,
            ranks: team.ranks, ranksHere: max(1, hosts.count { $0 == hosts[0] }))
        let forecast = try preflight.forecast(earlier)
        try preflight.requireSpace(folder, reserve: diskReserve)

        let model = RobertaModel.initialized(
            configuration: configuration, seed: recipe.seed, positionalHeads: recipe.initialization == .positional)
        if recipe.initialization == .positional {
            model.setHeadBias(toFrequencies: shards.training.tokenCounts(vocabularySize: tokenizer.vocabularySize))
        }
        if let generation {
            let composed = try generation.carryOver(into: model, tokenizer, shrink: recipe.shrink)
            reportStart(generation, shards, comparison, composedTokens: composed)
        }
        let trainStep = TrainStep(
            model: model, recipe: recipe, plan: forecast.plan, precision: forecast.decisions.precision,
            team: team)
        let evaluation = EvaluationBatches(
            shard: shards.heldOut, objective: job.objective, tokenizerVocabulary: tokenizer.vocabularySize,
            maximumTokens: trainStep.maximumTokens, markers: tokenizer.conversationMarkers)
        var architecture = job.architecture
        architecture.vocabSize = configuration.vocabSize
        let identity = CheckpointState.Identity(
            objective: job.objective, architecture: architecture, seed: recipe.seed, optimizer: recipe.optimizer,
            samplesPerStep: recipe.samplesPerStep, tokenizer: digest, trainingTokens: training.tokens,
            trainingRows: training.rows, start: job.start?.modelSha256)
        let checkpoints = CheckpointStore(directory: job.runDirectory, identity: identity)
        let state = try checkpoints.restore(into: trainStep, note: note)
        let trainingPath = TokenShards.trainingPath(folder.shardsDirectory)
        try prepareRanks(
            Assignment(
                rows: rows, vocabulary: tokenizer.vocabularySize, markers: tokenizer.conversationMarkers,
                replay: job.replay(shards), precision: forecast.decisions.precision,
                maximumTokens: trainStep.maximumTokens, longestRow: forecast.plan.longestRow,
                updates: trainStep.optimizer.updates,
                secondsPerStep: preflight.expectedSecondsPerStep(forecast.decisions), hosts: hosts,
                shard: .init(
                    path: trainingPath, bytes: shards.training.file.count, key: training.key,
                    checksum: training.checksum)), trainStep, shards.training)
        var decided = forecast.decisions
        if earlier == nil {
            if state == nil { decided = try preflight.timed(decided, trainStep, evaluation) }
            try decided.write(for: job)
        }
        schedule.expect(seconds: preflight.seconds(decided, schedule))
        let sampler = TextSampler(
            recipe: recipe, objective: job.objective, tokenizer: tokenizer, heldOut: shards.heldOut,
            longestRow: training.longestRow
        ) { report(.textWarning(.init(message: $0))) }
        watch.earlierSeconds = state?.elapsedSeconds ?? 0
        let run = Run(
            tokenizer: tokenizer, shards: shards, decisions: decided, cost: StepCost(configuration: configuration),
            trainStep: trainStep, checkpoints: checkpoints, schedule: schedule, heldOut: evaluation, sampler: sampler,
            batcher: batcher,
            cadence: CheckpointInterval(now: watch.seconds), evaluations: state?.evaluations ?? EvaluationHistory(),
            step: state?.step ?? 0, badSteps: state?.badSteps ?? 0, savedStep: state?.step ?? 0,
            productRate: decided.productRate * Double(team.ranks))
        report(.preflight(preflight.event(forecast, decided, step: run.step, elapsedSeconds: watch.seconds)))
        // The number that every step reports: less than in the schedule if `max_time` is expected to end the run.
        var totalSteps = schedule.totalSteps
        if decided.secondsPerStep > 0 {
            let remaining = schedule.remaining(
                step: run.step, elapsedSeconds: watch.seconds, secondsPerStep: decided.secondsPerStep)
            totalSteps = max(run.step + remaining.steps, 1)
        }
        if let maxSeconds = recipe.maxTime.seconds, totalSteps < schedule.totalSteps {
            report(
                .textWarning(
                    .init(
                        message:
                            "max_time, \(MessageFormat.duration(maxSeconds)), is expected to end the run after "
                            + "\(MessageFormat.count(totalSteps)) of \(MessageFormat.count(schedule.totalSteps)) steps at "
                            + "this machine's present speed: with a longer max_time or less other work, the model learns more"
                    )))
        }
        report(
            .started(
                .init(
                    parameters: trainStep.model.parameters.layout.count, totalSteps: totalSteps,
                    resumedStep: run.step, trainSamples: training.rows, heldOutSamples: heldOut.rows,
                    trainTokens: training.tokens, threads: ThreadPool.shared.threads,
                    precision: decided.precision.rawValue)))
        return run
    }
}

extension Trainer {
    /// Chooses the numbers that the job leaves open, and reports them; nil if it sets all of them.
    /// - Parameter generation: the generation that the run starts from, whose shape the model keeps
    private func chooseModel(for text: TrainingText, _ generation: StartingGeneration?) throws -> ModelChoice? {
        guard job.isAutomatic else { return nil }
        if let generation {
            var architecture = generation.architecture
            // Determined by the run's tokenizer.
            architecture.vocabSize = nil
            return ModelChoice(
                architecture: architecture, numTrainEpochs: job.recipe.numTrainEpochs ?? StartingGeneration.epochs,
                maxTime: TimeLimit(seconds: job.recipe.maxTime.seconds(textBytes: text.bytes)))
        }
        let (precision, _) = try RuntimePlan.precision(for: job, machine: { machine })
        let rate = machine.rates.rate(in: precision) * Double(ThreadPool.shared.threads)
        let model = AutomaticModel(
            job.architecture, job.recipe, for: job.objective, text: text, operationsPerSecond: rate)
        report(.modelChosen(.init(model, text: text, operationsPerSecond: rate)))
        return ModelChoice(model)
    }
}

// MARK: - Warm starts

extension Trainer {
    /// Verifies the generation that the job names; nil if there is none, or if the run has a checkpoint and needs it no more.
    /// - Throws: `TrainingError.start`
    private func startingGeneration() throws -> StartingGeneration? {
        guard let start = job.start, CheckpointStore.count(in: job.runDirectory) == 0 else { return nil }
        return try StartingGeneration(start, of: job)
    }

    private func reportStart(
        _ generation: StartingGeneration, _ shards: TokenShards, _ comparison: TokenizerComparison?,
        composedTokens: Int
    ) {
        guard let replay = job.replay(shards) else { return }
        report(
            .startPrepared(
                .init(
                    generation: generation.start.generation, newRows: replay.newCount,
                    replayedRows: replay.replayedCount, oldRows: shards.training.rows - replay.newCount,
                    numTrainEpochs: job.recipe.numTrainEpochs ?? StartingGeneration.epochs,
                    composedTokens: composedTokens, keptBytesPerToken: comparison?.kept,
                    ownBytesPerToken: comparison?.own)))
    }
}
