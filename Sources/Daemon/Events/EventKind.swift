import Logging

/// What can happen, under the names of the interface's `Event.kind`. What a run says itself keeps the name it has there.
public enum EventKind: String, Sendable, CaseIterable {
    case serviceReady = "service_ready"
    case serviceStopping = "service_stopping"
    case settingsReloaded = "settings_reloaded"
    /// They are wrong, and the old ones stay in force.
    case settingsRefused = "settings_refused"
    case corpusAdmitted = "corpus_admitted"
    case corpusDuplicate = "corpus_duplicate"
    case corpusRejected = "corpus_rejected"
    case corpusRemoved = "corpus_removed"
    /// Runs failed of it, and go on without it.
    case corpusSetAside = "corpus_set_aside"
    /// It has lines, paragraphs or records that are trained on in pieces, for they are too long.
    case corpusCut = "corpus_cut"
    /// It lies in the inbox and is no file to read: a link, a FIFO, a device.
    case fileLeftAlone = "file_left_alone"
    case runQueued = "run_queued"
    /// What a run will need and take.
    case preflight
    case runStarted = "run_started"
    case tokenizerTrained = "tokenizer_trained"
    case step
    /// A step whose numbers could not be used was left out.
    case stepSkipped = "step_skipped"
    case evaluation
    case checkpoint
    /// It goes on where another one of the same work was cancelled or failed.
    case runResumed = "run_resumed"
    case runFinished = "run_finished"
    case runInterrupted = "run_interrupted"
    /// Its window has closed.
    case runPaused = "run_paused"
    /// The time of a schedule has come, and nothing is trained.
    case scheduleSkipped = "schedule_skipped"
    /// The run's process ended without having said why.
    case runDied = "run_died"
    case runFailed = "run_failed"
    case runCancelled = "run_cancelled"
    case generationServes = "generation_serves"
    case generationDamaged = "generation_damaged"
    /// A candidate and the generation that serves have been asked for the same held-out lines.
    case generationJudged = "generation_judged"
    case generationRejected = "generation_rejected"
    /// Old generations, checkpoints and the like have been removed.
    case pruned
    /// The database was damaged, and has begun anew.
    case metricsRenewed = "metrics_renewed"
    /// Something the service could not do, and goes on without.
    case problem

    /// The journal's `MESSAGE_ID`, for `journalctl MESSAGE_ID=…`. Never changed once given out.
    public var messageID: String {
        switch self {
        case .serviceReady: "b1f0c7a6d3e94a0f8c52e1745a9d0001"
        case .serviceStopping: "b1f0c7a6d3e94a0f8c52e1745a9d0002"
        case .corpusAdmitted: "b1f0c7a6d3e94a0f8c52e1745a9d0003"
        case .corpusDuplicate: "b1f0c7a6d3e94a0f8c52e1745a9d0004"
        case .corpusRejected: "b1f0c7a6d3e94a0f8c52e1745a9d0005"
        case .runQueued: "b1f0c7a6d3e94a0f8c52e1745a9d0006"
        case .runStarted: "b1f0c7a6d3e94a0f8c52e1745a9d0007"
        case .tokenizerTrained: "b1f0c7a6d3e94a0f8c52e1745a9d0008"
        case .step: "b1f0c7a6d3e94a0f8c52e1745a9d0009"
        case .evaluation: "b1f0c7a6d3e94a0f8c52e1745a9d000a"
        case .checkpoint: "b1f0c7a6d3e94a0f8c52e1745a9d000b"
        case .runFinished: "b1f0c7a6d3e94a0f8c52e1745a9d000c"
        case .runInterrupted: "b1f0c7a6d3e94a0f8c52e1745a9d000d"
        case .runDied: "b1f0c7a6d3e94a0f8c52e1745a9d000e"
        case .runFailed: "b1f0c7a6d3e94a0f8c52e1745a9d000f"
        case .runCancelled: "b1f0c7a6d3e94a0f8c52e1745a9d0010"
        case .generationServes: "b1f0c7a6d3e94a0f8c52e1745a9d0011"
        case .generationDamaged: "b1f0c7a6d3e94a0f8c52e1745a9d0012"
        case .problem: "b1f0c7a6d3e94a0f8c52e1745a9d0013"
        case .stepSkipped: "b1f0c7a6d3e94a0f8c52e1745a9d0014"
        case .corpusRemoved: "b1f0c7a6d3e94a0f8c52e1745a9d0020"
        case .fileLeftAlone: "b1f0c7a6d3e94a0f8c52e1745a9d0021"
        case .corpusSetAside: "b1f0c7a6d3e94a0f8c52e1745a9d0022"
        case .corpusCut: "b1f0c7a6d3e94a0f8c52e1745a9d0023"
        case .generationJudged: "b1f0c7a6d3e94a0f8c52e1745a9d0040"
        case .generationRejected: "b1f0c7a6d3e94a0f8c52e1745a9d0041"
        case .pruned: "b1f0c7a6d3e94a0f8c52e1745a9d0042"
        case .metricsRenewed: "b1f0c7a6d3e94a0f8c52e1745a9d0043"
        case .runResumed: "b1f0c7a6d3e94a0f8c52e1745a9d0044"
        case .preflight: "b1f0c7a6d3e94a0f8c52e1745a9d0015"
        case .settingsReloaded: "b1f0c7a6d3e94a0f8c52e1745a9d0030"
        case .settingsRefused: "b1f0c7a6d3e94a0f8c52e1745a9d0031"
        case .runPaused: "b1f0c7a6d3e94a0f8c52e1745a9d0050"
        case .scheduleSkipped: "b1f0c7a6d3e94a0f8c52e1745a9d0051"
        }
    }

    var level: Logger.Level {
        switch self {
        case .corpusRejected, .corpusSetAside, .fileLeftAlone, .generationRejected, .runDied, .stepSkipped: .warning
        case .runFailed, .generationDamaged, .metricsRenewed, .problem, .settingsRefused: .error
        case .serviceReady, .settingsReloaded, .generationServes, .runStarted, .runFinished: .notice
        default: .info
        }
    }
}
