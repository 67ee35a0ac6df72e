import Datasets
import Jobs
import Kernels
import Models

/// What a run will need, held against what there is, before its first step.
struct Preflight {
    let job: Job
    let configuration: RobertaConfiguration
    let shards: TokenShards
    let batcher: Batcher
    let schedule: Schedule
    /// Bytes that the process may take, where someone has said so.
    let memoryLimit: Int?

    struct Forecast {
        var plan: MemoryPlan
        var limit: MemoryLimit
        /// Of the whole process, at its highest.
        var peakBytes: Int
        var decisions: RunDecisions
    }

    /// Decides precision and micro-batch, or takes over what was decided.
    /// - Throws: `TrainingError.tooLittleMemory`, `.noBFloat16`
    func forecast(_ decided: RunDecisions?) throws -> Forecast {
        let longestRow = max(shards.training.totals.longestRow, shards.heldOut.totals.longestRow)
        let limit = MemoryLimit.current(given: memoryLimit)
        let program = MemoryLimit.resident()
        let plan: MemoryPlan
        if let decided {
            plan = MemoryPlan(
                configuration: configuration, recipe: job.recipe, longestRow: longestRow,
                maximumTokens: decided.maximumTokens)
        } else {
            plan = MemoryPlan(
                configuration: configuration, recipe: job.recipe, longestRow: longestRow, limit: limit.bytes - program)
        }
        let peakBytes = program + plan.bytes
        // A run that has begun keeps its micro-batch, and does not give up because others hold the memory just now.
        let hardLimit = decided == nil ? limit : MemoryLimit.current(given: memoryLimit, asksForFree: false)
        guard peakBytes <= hardLimit.bytes else {
            throw TrainingError.tooLittleMemory(needed: peakBytes, limit: hardLimit.bytes, source: hardLimit.source)
        }
        let decisions = try decided ?? decide(plan)
        return Forecast(plan: plan, limit: limit, peakBytes: peakBytes, decisions: decisions)
    }

    /// What the run writes from here on, beside what lies in its folder already.
    /// - Throws: `TrainingError.tooLittleSpace`
    func requireSpace(_ folder: RunFolder, reserve: Int) throws {
        let estimate = DiskEstimate(job, rows: configuration.vocabSize)
        let kept = min(CheckpointStore.count(in: job.runDirectory), estimate.checkpoints)
        try folder.requireSpace(
            (estimate.checkpoints - kept) * estimate.checkpointBytes + estimate.modelBytes, reserve)
    }

    private func decide(_ plan: MemoryPlan) throws -> RunDecisions {
        let tokens = min(max(Int(tokensPerStep), 1), plan.maximumTokens)
        let precision = try RunDecisions.precision(for: job)
        let rate = StepCost(configuration: configuration).productRate(
            tokens: tokens, scoredRows: max(1, Int(Double(tokens) * scoredShare)), precision: precision)
        return RunDecisions(
            precision: precision, maximumTokens: plan.maximumTokens, productRate: rate, secondsPerStep: 0,
            secondsPerEvaluation: 0)
    }

    /// The decisions with what a step and an evaluation take, measured on the learner, which is left as it is.
    func timed(_ decisions: RunDecisions, _ learner: Learner, _ heldOut: EvaluationBatches) -> RunDecisions {
        var (decisions, batcher) = (decisions, batcher)
        let batch = batcher.batch(step: 0)
        func seconds(_ body: () -> Void) -> Double {
            let start = ContinuousClock.now
            body()
            return (ContinuousClock.now - start) / .seconds(1)
        }
        // The first time, memory is touched for the first time.
        learner.rehearse(batch)
        decisions.secondsPerStep = seconds { learner.rehearse(batch) } * tokensPerStep / Double(batch.tokens)
        if let first = heldOut.makeIterator().next() {
            decisions.secondsPerEvaluation =
                seconds { _ = learner.evaluate(first) } * Double(shards.heldOut.totals.tokens) / Double(first.tokens)
        }
        return decisions
    }

    func event(_ forecast: Forecast, _ decisions: RunDecisions, step: Int, elapsedSeconds: Double)
        -> RunEvent.Preflight
    {
        let cost = StepCost(configuration: configuration)
        let (_, steps) = schedule.remaining(
            step: step, elapsedSeconds: elapsedSeconds, secondsPerStep: decisions.secondsPerStep)
        let seconds = withEvaluations(steps, decisions)
        let rowTokens = tokensPerStep / Double(job.recipe.samplesPerStep)
        return RunEvent.Preflight(
            parameters: ParameterLayout(configuration).count,
            flopsPerStep: cost.flops(
                tokens: Int(tokensPerStep), scoredRows: Int(tokensPerStep * scoredShare),
                squaredTokens: Int(tokensPerStep * rowTokens)),
            productRate: decisions.productRate, precision: decisions.precision.rawValue, peakBytes: forecast.peakBytes,
            memoryLimitBytes: forecast.limit.bytes, memoryLimitSource: forecast.limit.source,
            microBatchTokens: decisions.maximumTokens,
            seconds: min(seconds, job.recipe.maxTime.map { $0 + decisions.secondsPerEvaluation } ?? seconds))
    }

    /// From the first step to the last, whatever `max_time` says, by what was measured before the first; nil where nothing was.
    func seconds(_ decisions: RunDecisions, _ schedule: Schedule) -> Double? {
        guard decisions.secondsPerStep > 0 else { return nil }
        return withEvaluations(Double(schedule.totalSteps) * decisions.secondsPerStep, decisions)
    }

    private func withEvaluations(_ seconds: Double, _ decisions: RunDecisions) -> Double {
        let evaluations = seconds / max(decisions.secondsPerStep, 1e-9) / Double(job.recipe.evalSteps)
        return seconds + (evaluations + 1).rounded(.down) * decisions.secondsPerEvaluation
    }

    /// On average.
    private var tokensPerStep: Double {
        Double(shards.training.totals.tokens) / Double(batcher.stepsPerEpoch)
    }

    /// Share of the tokens that the head runs on.
    private var scoredShare: Double { job.objective == .clm ? 1 : job.recipe.mlmProbability }
}
