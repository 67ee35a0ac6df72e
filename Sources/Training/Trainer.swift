import Datasets
import Distribution
import Durable
import Glibc
import Jobs
import Kernels
import Models
import Parallel
import Tokenizers

/// Executes a training run, from a job to a published model directory.
///
/// A run that is stopped at any moment resumes from its last checkpoint as if it had not been interrupted: the same job
/// produces the same bytes. Only a run that approaches its `max_time` may differ; see `LearningRateSchedule`.
public final class Trainer {
    /// The result of a run.
    public enum Outcome: Sendable {
        case published(RunEvent.Published)
        /// The run was asked to stop and can be resumed from this step.
        case interrupted(step: Int)
    }

    /// `prepare` sets the batch size if the recipe leaves it open.
    var job: Job
    /// Value of `--memory-limit`; nil uses the limits of the machine.
    let memoryLimit: Int?
    /// Bytes to keep free on the disk.
    let diskReserve: Int
    /// How long to wait for another process of the same run to exit.
    let lockSeconds: Double
    let heartbeat: Heartbeat
    let note: (String) -> Void
    var watch = Stopwatch()
    /// The measurements of the CPU, shared by all runs on the machine that name the same file.
    private(set) lazy var machine = MachineProfile.current(file: job.machineFile, note: note)
    private let control: RunControl
    /// The processes that train together; this one is rank 0.
    let team: Team
    /// What the others must agree with; nil if there are none.
    let introduction: RankIntroduction?
    /// The host of each rank; empty if there is one.
    var hosts: [String] = []

    /// - Parameters:
    ///   - control: delivers commands to the run
    ///   - memoryLimit: memory this process may use, in bytes; nil uses the limits of the machine
    ///   - diskReserve: bytes to keep free on the disk
    ///   - lockSeconds: how long to wait for another process of the same run to exit
    ///   - team: the ranks that train together, of which this process is rank 0; the others are `Follower`s
    ///   - introduction: describes this process; needed if there are other ranks
    ///   - report: receives every event in order, on the thread that runs
    ///   - note: receives messages for the user, one line each
    public init(
        job: Job, control: RunControl = RunControl(), memoryLimit: Int? = nil, diskReserve: Int = 0,
        lockSeconds: Double = 0, team: Team = Team(), introduction: RankIntroduction? = nil,
        report: @escaping (RunEvent.Payload) -> Void,
        note: @escaping (String) -> Void = { _ in }
    ) {
        self.job = job
        self.control = control
        self.memoryLimit = memoryLimit
        self.diskReserve = diskReserve
        self.lockSeconds = lockSeconds
        self.team = team
        self.introduction = introduction
        heartbeat = Heartbeat { event in
            report(event)
            // If the others cannot be reached, the next exchange with them fails likewise.
            try? team.keepWaiting()
        }
        self.note = note
    }

    /// Runs to completion on the calling thread and the thread pool. The other ranks then leave.
    public func run() throws(TrainingError) -> Outcome {
        do {
            let outcome = try runHoldingLock()
            try team.dismiss()
            return outcome
        } catch {
            let error = TrainingError(error)
            if case .communication = error { throw error }
            try? team.dismiss()
            throw error
        }
    }

    private func runHoldingLock() throws -> Outcome {
        try job.validate()
        try meetRanks()
        let folder = try RunDirectory(job: job)
        try Durable.makeDirectory(job.runDirectory)
        let lock = try acquireLock()
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

    /// Acquires the run's lock, waiting for an earlier process of the same run to exit: a service that was killed may
    /// have restarted before that process has written its checkpoint.
    private func acquireLock() throws -> FileLock {
        let path = "\(job.runDirectory)/lock"
        let deadline = ContinuousClock.now.advanced(by: .seconds(lockSeconds))
        var hasNoted = false
        while true {
            do throws(DurableError) {
                return try FileLock(path: path)
            } catch {
                guard error.errno == EWOULDBLOCK, !control.isLeaving, ContinuousClock.now < deadline else {
                    throw error
                }
                if !hasNoted { note("waiting for another process of this run: \(error)") }
                hasNoted = true
                try team.keepWaiting()
                usleep(100_000)
            }
        }
    }

    func report(_ event: RunEvent.Payload) { heartbeat.tell(event) }

    // MARK: - Steps

    private func train(_ run: Run, _ publisher: Publisher) throws -> Outcome {
        var run = run
        while !isOver(run) {
            if control.isLeaving {
                try saveCheckpoint(&run)
                return interrupted(step: run.step)
            }
            try takeStep(&run)
            if run.step % job.recipe.evalSteps == 0 || isOver(run) { reportCommunication(&run) }
            let isBest = run.step % job.recipe.evalSteps == 0 && evaluate(&run)
            if isBest && job.recipe.loadBestModelAtEnd && !isOver(run) || isCheckpointDue(run) {
                try saveCheckpoint(&run)
            }
        }
        if run.evaluations.last?.step != run.step { evaluate(&run) }
        return try publish(run, publisher)
    }

    private func reportCommunication(_ run: inout Run) {
        reportCommunication(
            step: run.step, steps: run.unreported.steps, seconds: run.unreported.seconds, run.unreported.times)
        run.unreported = (0, 0, .zero)
    }

    private func isOver(_ run: Run) -> Bool {
        if let patience = job.recipe.earlyStoppingPatience, run.evaluations.sinceBest >= patience { return true }
        return run.schedule.isOver(step: run.step, elapsedSeconds: watch.seconds)
    }

    private func isCheckpointDue(_ run: Run) -> Bool {
        if let steps = job.recipe.saveSteps { return run.step % steps == 0 }
        return run.cadence.isDue(now: watch.seconds)
    }

    private func takeStep(_ run: inout Run) throws {
        let step = run.step
        let learningRate = run.schedule.learningRate(step: step, elapsedSeconds: watch.seconds)
        let start = watch.seconds
        // Those of checkpoints and of the preparation are no part of the step.
        _ = team.takeTimes()
        try team.command(.step(step, learningRate: learningRate))
        let batch = run.batcher.batch(step: step)
        let outcome = try run.trainStep.learn(batch, step: step, learningRate: learningRate)
        let seconds = max(watch.seconds - start, 1e-9)
        run.step += 1
        run.unreported.steps += 1
        run.unreported.seconds += seconds
        run.unreported.times += team.takeTimes()
        if let failureReason = outcome.failureReason {
            run.badSteps += 1
            report(.stepSkipped(.init(step: run.step, reason: failureReason)))
            guard run.badSteps < job.recipe.maxBadSteps else {
                throw TrainingError.notFinite(steps: run.badSteps, lastStep: run.step, reason: failureReason)
            }
            return
        }
        run.badSteps = 0
        run.stepsTimed += 1
        let rate = run.cost.flops(of: batch) / seconds
        run.productRate = max(run.productRate, rate)
        run.secondsPerStep += (seconds - run.secondsPerStep) / Double(min(run.stepsTimed, 20))
        let remaining = run.schedule.remaining(
            step: run.step, elapsedSeconds: watch.seconds, secondsPerStep: run.secondsPerStep)
        let isLogged = run.step == 1 || run.step % job.recipe.loggingSteps == 0 || remaining.steps == 0
        report(
            .step(
                .init(
                    StepMetrics(
                        step: run.step, epoch: Double(run.step) / Double(run.batcher.stepsPerEpoch),
                        loss: outcome.loss, learningRate: learningRate, gradientNorm: outcome.gradientNorm,
                        tokens: batch.tokens, tokensPerSecond: Double(batch.tokens) / seconds,
                        mfu: rate / run.productRate),
                    totalSteps: run.step + remaining.steps, remainingSeconds: remaining.seconds, log: isLogged)))
    }

    /// Evaluates the model, records the result, and reports a sample of its text.
    /// - Returns: whether the result is the best so far
    @discardableResult
    private func evaluate(_ run: inout Run) -> Bool {
        let evaluation = run.trainStep.evaluate(
            run.heldOut, totals: run.shards.heldOut.totals, objective: job.objective, step: run.step
        ) { heartbeat.beat("evaluating") }
        guard let evaluation else { return false }
        report(.evaluation(evaluation))
        if let sample = run.sampler?.sample(run.trainStep.model, step: run.step) { report(.sample(sample)) }
        return run.evaluations.note(evaluation)
    }

    private func saveCheckpoint(_ run: inout Run) throws {
        guard run.savedStep != run.step else { return }
        let start = watch.seconds
        // If other processes have filled the disk since the run began, it can resume from here once there is space.
        try FreeSpace.require(
            DiskEstimate(job, rows: run.trainStep.model.configuration.vocabSize).checkpointBytes, at: job.runDirectory,
            reserve: diskReserve)
        if !team.isAlone {
            try team.command(.sendMoments)
            try run.trainStep.exchangeMoments(toRank0: true)
        }
        let state = CheckpointState(
            step: run.step, updates: run.trainStep.optimizer.updates, elapsedSeconds: start, badSteps: run.badSteps,
            evaluations: run.evaluations, identity: run.checkpoints.identity, stateSha256: "")
        let best = job.recipe.loadBestModelAtEnd ? run.evaluations.best?.step : nil
        let path = try run.checkpoints.save(
            run.trainStep, state: state, limit: job.recipe.saveTotalLimit, keeping: best)
        run.savedStep = run.step
        run.cadence.wrote(at: start, seconds: watch.seconds - start)
        report(.checkpoint(.init(step: run.step, path: path)))
    }

    private func interrupted(step: Int) -> Outcome {
        report(.interrupted(.init(step: step)))
        return .interrupted(step: step)
    }

    // MARK: - After the last step

    private func publish(_ run: Run, _ publisher: Publisher) throws -> Outcome {
        let model = run.trainStep.model
        let evaluation = chooseModel(run)
        let arguments = TrainingArguments(
            job: job, longestPosition: run.shards.training.totals.longestRow, steps: run.step,
            trainingTokens: run.shards.training.totals.tokens, tokenizerVocabulary: run.tokenizer.vocabularySize,
            heldOutByHash: run.shards.corpusRows?.heldOutByHash, layoutVersion: CorpusLayout.version,
            evaluation: evaluation)
        let digest = try publisher.publish(model, tokenizer: run.tokenizer, arguments: arguments)
        let published = RunEvent.Published(
            step: run.step, directory: job.outputDirectory, modelSha256: digest,
            parameters: model.parameters.layout.count, vocabSize: model.configuration.vocabSize,
            evaluation: evaluation)
        report(.published(published))
        return .published(published)
    }

    /// Restores the best model if the recipe requests it and it is not the current one.
    /// - Returns: the evaluation of the model that will be published
    private func chooseModel(_ run: Run) -> RunEvent.Evaluation? {
        let (last, best) = (run.evaluations.last, run.evaluations.best)
        guard job.recipe.loadBestModelAtEnd, let best, best.step != run.step else { return last }
        do {
            try run.checkpoints.restoreParameters(ofStep: best.step, into: run.trainStep.model)
            return best
        } catch {
            note("publishing the last model instead of the best one, from step \(best.step): \(error)")
            return last
        }
    }
}

/// Training time of a run in seconds, including the time before it was resumed.
struct Stopwatch {
    var earlierSeconds = 0.0
    private let start = ContinuousClock.now

    var seconds: Double { earlierSeconds + (ContinuousClock.now - start) / .seconds(1) }
}
