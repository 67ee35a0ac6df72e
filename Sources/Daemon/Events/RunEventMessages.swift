import Formatting
import FoundationEssentials
import Jobs
import Varlink

extension ServiceEvent {
    /// What a run said, as an event of the service; nil where the service says it in its own words when the run is over.
    init?(_ event: RunEvent, of job: Job) {
        let message: String
        let kind: EventKind
        switch event.payload {
        case .tokenizerTrained(let trained):
            kind = .tokenizerTrained
            message =
                "the tokenizer has \(trained.vocabularySize) tokens, after \(MessageFormat.duration(trained.seconds))"
        case .preflight(let preflight):
            kind = .preflight
            message =
                "about \(MessageFormat.duration(preflight.seconds)) for what is left, "
                + "\(MessageFormat.fixed(preflight.flopsPerStep / 1e9, 1)) GFLOP a step at "
                + "\(MessageFormat.fixed(preflight.productRate / 1e9, 0)) GFLOP/s in \(preflight.precision), "
                + "\(preflight.peakBytes / 1_000_000) of \(preflight.memoryLimitBytes / 1_000_000) MB of memory "
                + "(\(preflight.memoryLimitSource))"
        case .started(let started):
            kind = .runStarted
            let from = started.resumedStep == 0 ? "" : ", going on after step \(started.resumedStep)"
            message =
                "\(started.totalSteps) steps, \(started.parameters) parameters, \(started.trainSamples) samples, "
                + "\(started.heldOutSamples) held out\(from)"
        case .step(let step):
            kind = .step
            message =
                "step \(step.step) of \(step.totalSteps), loss \(MessageFormat.fixed(step.loss, 4)), learning rate "
                + "\(MessageFormat.scientific(step.learningRate)), gradient norm \(MessageFormat.fixed(step.gradientNorm, 2)), "
                + "\(MessageFormat.fixed(step.tokensPerSecond, 0)) tokens/s, mfu \(MessageFormat.fixed(step.mfu * 100, 0)) %, "
                + "\(MessageFormat.duration(step.remainingSeconds)) left"
        case .stepSkipped(let skipped):
            kind = .stepSkipped
            message = "step \(skipped.step) is left out: \(skipped.reason)"
        case .evaluation(let evaluation):
            kind = .evaluation
            message =
                "held out after step \(evaluation.step): loss \(MessageFormat.fixed(evaluation.loss, 4)), perplexity "
                + "\(MessageFormat.fixed(evaluation.perplexity, 2)), \(MessageFormat.fixed(evaluation.accuracy * 100, 1)) % right, "
                + "\(MessageFormat.fixed(evaluation.bitsPerByte, 3)) bits a byte"
        case .checkpoint(let checkpoint):
            kind = .checkpoint
            message = "checkpoint after step \(checkpoint.step)"
        case .unitsCut(let cut):
            kind = .corpusCut
            message =
                "\(cut.name) has \(MessageFormat.count(cut.units)) lines, paragraphs or records of more than "
                + "\(MessageFormat.bytes(cut.bytes)), which are trained on in pieces"
        case .published, .interrupted, .failed, .working, .judged: return nil
        }
        var corpus: String?
        if case .unitsCut(let cut) = event.payload { corpus = cut.corpus }
        self.init(
            kind, "\(job.run): \(message)", model: job.model, run: job.run, corpus: corpus,
            fields: Self.fields(of: event), time: event.time)
    }

    /// The numbers of the event, under the names they have on the run's standard output.
    private static func fields(of event: RunEvent) -> [String: JSONValue] {
        guard let json = try? JobCoding.encode(event),
            case .object(var members)? = try? JSONDecoder().decode(JSONValue.self, from: json)
        else { return [:] }
        members["kind"] = nil
        members["time"] = nil
        return members
    }
}
