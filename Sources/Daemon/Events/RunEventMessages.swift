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
                + "\(MessageFormat.bytes(preflight.peakBytes)) of \(MessageFormat.bytes(preflight.memoryLimitBytes)) of memory "
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
        case .sample(let sample):
            kind = .sample
            message =
                "after step \(sample.step) " + (job.objective == .mlm ? "it fills in" : "it continues")
                + " “\(sample.prompt)”: “\(sample.text)”"
        case .checkpoint(let checkpoint):
            kind = .checkpoint
            message = "checkpoint after step \(checkpoint.step)"
        case .textSummary(let summary):
            kind = .textSummary
            message = summary.message
        case .textWarning(let warning):
            kind = .textWarning
            message = warning.message
        case .modelChosen(let chosen):
            kind = .modelChosen
            message = chosen.message
        case .startPrepared(let start):
            kind = .startChosen
            message = start.message
        case .ranksJoined(let joined):
            kind = .ranksJoined
            message = joined.message
        case .communication(let communication):
            kind = .communication
            message = communication.message
        case .published, .interrupted, .failed, .working, .judged, .precisionsMeasured, .converted: return nil
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

extension RunEvent.ModelChosen {
    /// Describes the choice, and the text and the time that it was made for.
    fileprivate var message: String {
        let shape = [
            architecture.numHiddenLayers.map { "\($0) layers" }, architecture.hiddenSize.map { "hidden size \($0)" },
            architecture.numAttentionHeads.map { "\($0) heads" },
            architecture.hiddenDropoutProb.map { "dropout \(MessageFormat.fixed($0, 2))" },
        ].compactMap(\.self).joined(separator: ", ")
        let limit = maxSeconds.map { ", at most \(MessageFormat.duration($0))" } ?? ""
        let what =
            "\(shape), \(MessageFormat.fixed(numTrainEpochs, 1)) epochs\(limit), for "
            + "\(MessageFormat.count(trainTokens)) tokens (\(MessageFormat.bytes(trainBytes))) at up to "
            + "\(MessageFormat.fixed(operationsPerSecond / 1e9, 0)) GFLOP/s; expected: "
            + "\(MessageFormat.fixed(bitsPerByte, 2)) bits per byte after \(MessageFormat.duration(seconds))"
        guard endsEarly else { return what }
        return what + ". The time is too short for all of the text: with a longer max_time the model learns more"
    }
}

extension RunEvent.StartPrepared {
    /// Describes the rows of an epoch and the tokenizer.
    fileprivate var message: String {
        var message =
            "starts from generation \(generation): \(MessageFormat.fixed(numTrainEpochs, 1)) epochs over "
            + "\(MessageFormat.count(newRows, "new row")) and \(MessageFormat.count(replayedRows)) of "
            + "\(MessageFormat.count(oldRows)) old ones (replay)"
        message +=
            composedTokens == 0
            ? "; its tokenizer is kept"
            : "; \(MessageFormat.count(composedTokens, "token")) of a new tokenizer composed from those of its own"
        if let kept = keptBytesPerToken, let own = ownBytesPerToken {
            message +=
                " (\(MessageFormat.fixed(kept, 2)) bytes of new text per token, "
                + "\(MessageFormat.fixed(own, 2)) with a new one)"
        }
        return message
    }
}

extension RunEvent.RanksJoined {
    fileprivate var message: String {
        let hosts = hosts.map { "\($0.ranks) on \($0.name)" }.joined(separator: ", ")
        let doubt =
            doubts.isEmpty
            ? "" : "; the same bytes as on other hosts are not promised: " + doubts.joined(separator: "; ")
        return "\(ranks) processes train together, \(hosts), with \(library)\(doubt)"
    }
}

extension RunEvent.Communication {
    fileprivate var message: String {
        let share = secondsPerStep > 0 ? communicationSeconds / secondsPerStep * 100 : 0
        return
            "\(MessageFormat.fixed(share, 0)) % of the last \(MessageFormat.count(steps, "step")) was communication: "
            + "\(MessageFormat.fixed(communicationSeconds * 1000, 1)) of \(MessageFormat.fixed(secondsPerStep * 1000, 1)) ms and "
            + "\(MessageFormat.bytes(bytesPerStep)) sent in each; rank \(slowestRank) on \(slowestHost) computes slowest, "
            + "\(MessageFormat.fixed(slowestSeconds * 1000, 1)) ms against \(MessageFormat.fixed(fastestSeconds * 1000, 1))"
    }
}
