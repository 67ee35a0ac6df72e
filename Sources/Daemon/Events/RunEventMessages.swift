import Database
import Events
import Formatting
import FoundationEssentials
import Jobs
import Varlink

extension ServiceEvent {
    /// Converts an event of a run to an event of the service; nil if the service reports it itself after the run has
    /// ended.
    package init?(_ event: RunEvent, of job: Job) {
        let message: String
        let kind: EventKind
        var runState: RunRecord.State?
        switch event.payload {
        case .tokenizerTrained(let trained):
            kind = .tokenizerTrained
            message =
                "trained a tokenizer with \(trained.vocabularySize) tokens in \(MessageFormat.duration(trained.seconds))"
        case .preflight(let preflight):
            kind = .preflight
            message =
                "about \(MessageFormat.duration(preflight.seconds)) left, batches of "
                + "\(preflight.perDeviceTrainBatchSize) rows\(preflight.batchReason.map { " \($0)" } ?? ""), "
                + "\(MessageFormat.fixed(preflight.flopsPerStep / 1e9, 1)) GFLOP per step at "
                + "\(MessageFormat.fixed(preflight.productRate / 1e9, 0)) GFLOP/s, precision \(preflight.precision)"
                + "\(preflight.precisionReason.map { ": \($0)" } ?? ""), "
                + "\(preflight.peakBytes / 1_000_000) of \(preflight.memoryLimitBytes / 1_000_000) MB of memory "
                + "(\(preflight.memoryLimitSource))"
        case .started(let started):
            kind = .runStarted
            runState = .running
            let from = started.resumedStep == 0 ? "" : ", resuming after step \(started.resumedStep)"
            message =
                "\(started.totalSteps) steps, \(started.parameters) parameters, \(started.trainSamples) samples, "
                + "\(started.heldOutSamples) held out\(from)"
        case .step(let step):
            kind = .step
            message =
                "step \(step.step) of \(step.totalSteps), loss \(MessageFormat.fixed(step.loss, 4)), learning rate "
                + "\(MessageFormat.scientific(step.learningRate)), gradient norm \(MessageFormat.fixed(step.gradientNorm, 2)), "
                + "\(MessageFormat.fixed(step.tokensPerSecond, 0)) tokens/s, mfu \(MessageFormat.fixed((step.mfu ?? 0) * 100, 0)) %, "
                + "\(MessageFormat.duration(step.remainingSeconds)) left"
        case .stepSkipped(let skipped):
            kind = .stepSkipped
            message = "step \(skipped.step) skipped: \(skipped.reason)"
        case .evaluation(let evaluation):
            kind = .evaluation
            message =
                "held-out evaluation after step \(evaluation.step): loss \(MessageFormat.fixed(evaluation.loss, 4)), perplexity "
                + "\(MessageFormat.fixed(evaluation.perplexity, 2)), \(MessageFormat.fixed(evaluation.accuracy * 100, 1)) % correct, "
                + "\(MessageFormat.fixed(evaluation.bitsPerByte, 3)) bits per byte"
        case .checkpoint(let checkpoint):
            kind = .checkpoint
            message = "checkpoint after step \(checkpoint.step)"
        case .textSummary(let summary):
            kind = .textSummary
            message = summary.message
        case .textWarning(let warning):
            kind = .textWarning
            message = warning.message
        case .published, .interrupted, .failed, .working, .judged: return nil
        }
        self.init(
            kind, "\(job.run): \(message)", model: job.model, run: job.run, runState: runState,
            fields: Self.fields(of: event), time: event.time)
    }

    /// The members of the event's JSON object, except for its kind and time.
    private static func fields(of event: RunEvent) -> [String: JSONValue] {
        guard case .object(var members)? = try? FieldEncoder.encode(event) else { return [:] }
        members["kind"] = nil
        members["time"] = nil
        return members
    }
}
