import Datasets
import Jobs
import Kernels
import Models

/// Compares the resources that a run needs with those of the machine, before the first step.
struct Preflight {
    let job: Job
    let configuration: RobertaConfiguration
    let shards: TokenShards
    let batcher: Batcher
    let schedule: LearningRateSchedule
    /// The model, if the run chose it.
    let chosenModel: ModelChoice?
    /// The batch size, if this start of the run chose it.
    let chosenBatch: AutomaticBatch?
    /// Returns the measurements of the CPU; called only if a decision depends on them.
    let machine: () -> MachineProfile
    /// Memory limit passed on the command line, in bytes, if any.
    let memoryLimit: Int?
    /// Number of processes that train together, and of those on this machine.
    let ranks: Int
    let ranksHere: Int

    struct Forecast {
        var plan: MicrobatchPlan
        var limit: MemoryLimit
        /// Expected peak memory of the whole process.
        var peakBytes: Int
        var decisions: RuntimePlan
        /// Why this start of the run chose the precision, if it did.
        var precisionReason: String?
    }

    /// Chooses precision and micro-batch size, or uses earlier decisions.
    /// - Throws: `TrainingError.tooLittleMemory`, `.noBFloat16`
    func forecast(_ decided: RuntimePlan?) throws -> Forecast {
        let longestRow = max(shards.training.totals.longestRow, shards.heldOut.totals.longestRow)
        let limit = MemoryLimit.current(given: memoryLimit).share(ofRanks: ranksHere)
        let program = MemoryLimit.resident()
        let plan: MicrobatchPlan
        if let decided {
            plan = MicrobatchPlan(
                configuration: configuration, recipe: job.recipe, longestRow: longestRow,
                maximumTokens: decided.maximumTokens, ranks: ranks)
        } else {
            plan = MicrobatchPlan(
                configuration: configuration, recipe: job.recipe, longestRow: longestRow, limit: limit.bytes - program,
                ranks: ranks)
        }
        let peakBytes = program + plan.bytes
        // A resumed run keeps its micro-batch size and does not fail only because other processes use
        // memory at the moment.
        let hardLimit =
            decided == nil
            ? limit : MemoryLimit.current(given: memoryLimit, asksForFree: false).share(ofRanks: ranksHere)
        guard peakBytes <= hardLimit.bytes else {
            throw TrainingError.tooLittleMemory(needed: peakBytes, limit: hardLimit.bytes, source: hardLimit.source)
        }
        if let decided { return Forecast(plan: plan, limit: limit, peakBytes: peakBytes, decisions: decided) }
        let (precision, reason) = try RuntimePlan.precision(for: job, machine: machine)
        return Forecast(
            plan: plan, limit: limit, peakBytes: peakBytes, decisions: decide(plan, precision), precisionReason: reason)
    }

    /// Checks that the disk has room for the files that the run has yet to write.
    /// - Throws: `TrainingError.tooLittleSpace`
    func requireSpace(_ folder: RunDirectory, reserve: Int) throws {
        let estimate = DiskEstimate(job, rows: configuration.vocabSize)
        let kept = min(CheckpointStore.count(in: job.runDirectory), estimate.checkpoints)
        try folder.requireSpace(
            (estimate.checkpoints - kept) * estimate.checkpointBytes + estimate.modelBytes, reserve)
    }

    private func decide(_ plan: MicrobatchPlan, _ precision: Precision) -> RuntimePlan {
        let tokens = min(max(Int(tokensPerStep), 1), plan.maximumTokens)
        let rate = StepCost(configuration: configuration).productRate(
            tokens: tokens, scoredRows: max(1, Int(Double(tokens) * scoredShare)), precision: precision)
        return RuntimePlan(
            precision: precision, maximumTokens: plan.maximumTokens, model: chosenModel,
            perDeviceTrainBatchSize: chosenBatch?.size,
            productRate: rate, secondsPerStep: 0, secondsPerEvaluation: 0)
    }

    /// Returns the decisions with the measured durations of a step and an evaluation. Does not change the learner.
    func timed(
        _ decisions: RuntimePlan, _ trainStep: TrainStep, _ heldOut: EvaluationBatches
    ) throws -> RuntimePlan {
        var (decisions, batcher) = (decisions, batcher)
        let batch = batcher.batch(step: 0)
        func seconds(_ body: () throws -> Void) rethrows -> Double {
            let start = ContinuousClock.now
            try body()
            return (ContinuousClock.now - start) / .seconds(1)
        }
        func rehearse() throws {
            try trainStep.team.command(.rehearse)
            try trainStep.rehearse(batch)
        }
        // Warm up: the first run touches its memory for the first time.
        try rehearse()
        // A short step is measured several times, because the first ones after a pause are slower.
        var step = try seconds(rehearse)
        for _ in 0..<min(Int(1 / max(step, 0.01)), 4) { step = min(step, try seconds(rehearse)) }
        decisions.secondsPerStep = step * tokensPerStep / Double(batch.tokens)
        if let first = heldOut.makeIterator().next() {
            decisions.secondsPerEvaluation =
                seconds { _ = trainStep.evaluate(first) } * Double(shards.heldOut.totals.tokens) / Double(first.tokens)
        }
        return decisions
    }

    /// Returns the measured duration of a step, or before it is known the duration of its products in one process.
    func expectedSecondsPerStep(_ decisions: RuntimePlan) -> Double {
        if decisions.secondsPerStep > 0 { return decisions.secondsPerStep }
        return decisions.productRate > 0 ? operationsPerStep / decisions.productRate : 0
    }

    private var operationsPerStep: Double {
        StepCost(configuration: configuration).flops(
            tokens: Int(tokensPerStep), scoredRows: Int(tokensPerStep * scoredShare),
            squaredTokens: Int(tokensPerStep * tokensPerStep / Double(job.recipe.samplesPerStep)))
    }

    func event(_ forecast: Forecast, _ decisions: RuntimePlan, step: Int, elapsedSeconds: Double)
        -> RunEvent.Preflight
    {
        let (_, steps) = schedule.remaining(
            step: step, elapsedSeconds: elapsedSeconds, secondsPerStep: decisions.secondsPerStep)
        let seconds = withEvaluations(steps, decisions)
        return RunEvent.Preflight(
            parameters: ParameterLayout(configuration).count,
            flopsPerStep: operationsPerStep,
            productRate: decisions.productRate, precision: decisions.precision.rawValue,
            precisionReason: forecast.precisionReason, peakBytes: forecast.peakBytes,
            memoryLimitBytes: forecast.limit.bytes, memoryLimitSource: forecast.limit.source,
            microBatchTokens: decisions.maximumTokens, perDeviceTrainBatchSize: job.recipe.batchSize,
            batchReason: chosenBatch?.reason(rows: batcher.rowsPerEpoch),
            seconds: min(seconds, job.recipe.maxTime.seconds.map { $0 + decisions.secondsPerEvaluation } ?? seconds))
    }

    /// Returns the expected duration of the whole run, ignoring `max_time`, from the durations measured before the
    /// first step; nil if they were not measured.
    func seconds(_ decisions: RuntimePlan, _ schedule: LearningRateSchedule) -> Double? {
        guard decisions.secondsPerStep > 0 else { return nil }
        return withEvaluations(Double(schedule.totalSteps) * decisions.secondsPerStep, decisions)
    }

    private func withEvaluations(_ seconds: Double, _ decisions: RuntimePlan) -> Double {
        let evaluations = seconds / max(decisions.secondsPerStep, 1e-9) / Double(job.recipe.evalSteps)
        return seconds + (evaluations + 1).rounded(.down) * decisions.secondsPerEvaluation
    }

    /// Average number of tokens per step.
    private var tokensPerStep: Double {
        let shareOfRows = Double(batcher.rowsPerEpoch) / Double(shards.training.rows)
        return Double(shards.training.totals.tokens) * shareOfRows / Double(batcher.stepsPerEpoch)
    }

    /// Share of the tokens that the head scores.
    private var scoredShare: Double { job.objective == .clm ? 1 : job.recipe.mlmProbability }
}
