import Formatting
import FoundationEssentials
import Interface
import Jobs
import Database

/// The progress of a run, updated by its events.
struct RunProgress: Sendable {
    private(set) var record: RunRecord
    /// The activity that the run reports before its first step.
    private var activity = "preparing"

    init(_ record: RunRecord) {
        self.record = record
    }

    mutating func note(_ event: RunEvent) {
        switch event.payload {
        case .started(let started):
            record.totalSteps = started.totalSteps
            record.step = started.resumedStep
        case .step(let step):
            record.step = step.step
            record.totalSteps = step.totalSteps
            record.epoch = step.epoch
            record.loss = step.loss
            record.tokensPerSecond = step.tokensPerSecond
            record.remainingSeconds = step.remainingSeconds
        case .evaluation(let evaluation): record.evaluationLoss = evaluation.loss
        case .published(let published):
            record.evaluationLoss = published.evaluation?.loss ?? record.evaluationLoss
        case .tokenizerTrained, .textSummary, .modelChosen, .startPrepared, .textWarning, .preflight, .stepSkipped,
            .checkpoint, .interrupted, .sample,
            .failed,
            .judged, .precisionsMeasured, .ranksJoined, .communication, .converted:
            break
        case .working(let working): activity = working.activity
        }
    }

    mutating func begin(generation: Int) {
        record.generation = generation
        record.state = .running
        record.reason = nil
        record.started = record.started ?? Date()
        record.finished = nil
    }

    mutating func end(_ state: RunRecord.State, reason: String? = nil) {
        record.state = state
        record.reason = reason
        record.remainingSeconds = nil
        record.finished = state == .interrupted ? nil : Date()
    }

    /// The line shown by `systemctl status`.
    var statusText: String {
        guard record.totalSteps > 0 else { return "\(record.id): \(activity)" }
        var text = "\(record.id): step \(record.step) of \(record.totalSteps)"
        if let loss = record.loss { text += ", loss \(MessageFormat.fixed(loss, 3))" }
        if let seconds = record.remainingSeconds { text += ", \(MessageFormat.duration(seconds)) left" }
        return text
    }
}

extension RunRecord {
    var asInterface: ManagerInterface.Run {
        ManagerInterface.Run(
            id: id, model: model, generation: generation, state: state.asInterface, reason: reason, step: step,
            totalSteps: totalSteps, epoch: epoch, loss: loss, evaluationLoss: evaluationLoss,
            tokensPerSecond: tokensPerSecond, remainingSeconds: remainingSeconds, started: started?.interfaceText,
            finished: finished?.interfaceText)
    }
}

extension RunRecord.State {
    var asInterface: ManagerInterface.RunState {
        switch self {
        case .queued: .queued
        case .running: .running
        case .interrupted: .interrupted
        case .finished: .finished
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }
}
