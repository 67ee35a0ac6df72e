import Logging

/// Kinds of events. The raw value is `Event.kind` of the Varlink interface, `kind` in the database and `KB_EVENT` in the
/// journal.
///
/// To add one, add a case and its row below; `make generate` then updates the message catalog.
public enum EventKind: String, Sendable, CaseIterable {
    case serviceReady = "service_ready"
    case serviceStopping = "service_stopping"
    case settingsReloaded = "settings_reloaded"
    case settingsRefused = "settings_refused"
    case corpusAdmitted = "corpus_admitted"
    case corpusDuplicate = "corpus_duplicate"
    case corpusRejected = "corpus_rejected"
    case corpusRemoved = "corpus_removed"
    case corpusSetAside = "corpus_set_aside"
    case corpusWarning = "corpus_warning"
    case fileLeftAlone = "file_left_alone"
    case inboxProgress = "inbox_progress"
    case inboxPolled = "inbox_polled"
    case folderUnknown = "folder_unknown"
    case runQueued = "run_queued"
    case preflight
    case runStarted = "run_started"
    case tokenizerTrained = "tokenizer_trained"
    case textSummary = "text_summary"
    case textWarning = "text_warning"
    case modelChosen = "model_chosen"
    case startChosen = "start_chosen"
    case ranksJoined = "ranks_joined"
    case communication
    case step
    case stepSkipped = "step_skipped"
    case evaluation
    case sample
    case checkpoint
    case runResumed = "run_resumed"
    case runFinished = "run_finished"
    case runInterrupted = "run_interrupted"
    case runPaused = "run_paused"
    case trainingPaused = "training_paused"
    case trainingResumed = "training_resumed"
    case scheduleSkipped = "schedule_skipped"
    case runDied = "run_died"
    case runFailed = "run_failed"
    case runCancelled = "run_cancelled"
    case generationServes = "generation_serves"
    case generationDamaged = "generation_damaged"
    case generationJudged = "generation_judged"
    case generationRejected = "generation_rejected"
    case generationRemoved = "generation_removed"
    case pruned
    case metricsRenewed = "metrics_renewed"
    case problem

    public var messageID: String { definition.messageID }

    package var definition: EventDefinition {
        switch self {
        case .serviceReady:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0001", level: .notice, subject: "The service is ready",
                explanation: """
                    kantaibertd watches its inbox and answers requests on its socket.
                    `kbctl status` shows its models and what it is doing.
                    """)
        case .serviceStopping:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0002", subject: "The service is stopping",
                explanation: """
                    A training run in progress writes a checkpoint and resumes from it when the
                    service is started again. Calls in progress are still answered.
                    """)
        case .settingsReloaded:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0030", level: .notice, log: .coalesced(),
                subject: "The settings were reloaded",
                explanation: """
                    The new settings are in force. A training run in progress keeps the settings it
                    was started with.
                    """)
        case .settingsRefused:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0031", level: .error, log: .coalesced(),
                subject: "The settings are invalid",
                explanation: """
                    The message names the place and what was expected there. The previous settings
                    stay in force: correct the file, then run `systemctl reload kantaibertd`.
                    """)
        case .corpusAdmitted:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0003",
                log: .coalesced { "and \($0.count) more files were admitted: \($0.bytes)" },
                subject: "A corpus was admitted from the inbox",
                explanation: """
                    The corpus @KB_CORPUS@ is stored in corpus/ under its SHA-256 and becomes part
                    of the next training run of each model it feeds. That run is queued once no
                    other file has arrived for `schedule.settle`. `kbctl corpora` lists all corpora.
                    """)
        case .corpusDuplicate:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0004",
                log: .coalesced { "and \($0.count) more files are duplicates: \($0.bytes)" },
                subject: "A file in the inbox is a duplicate",
                explanation: """
                    A corpus with the same content was admitted before. The file was removed from
                    the inbox; nothing else changes.
                    """)
        case .corpusRejected:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0005", level: .warning,
                log: .coalesced {
                    "and \($0.count) more files were rejected (‘kbctl corpora --state rejected’ lists them): "
                        + "\($0.messages); …"
                },
                subject: "A file in the inbox was rejected",
                explanation: """
                    The file was moved to inbox/.rejected/; the file with the suffix .reason beside
                    it gives the reason. Correct the file and put it into the inbox again.
                    `kbctl corpora --state rejected` lists rejected files.
                    """)
        case .corpusRemoved:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0020", log: .coalesced { "and \($0.count) more corpora were removed" },
                subject: "A corpus was removed",
                explanation: """
                    No later training run uses the corpus @KB_CORPUS@. Generations that were trained
                    on it are kept; `kbctl train --force` trains a generation without it.
                    """)
        case .corpusSetAside:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0022", level: .warning, subject: "A corpus was set aside",
                explanation: """
                    The run @KB_RUN@ failed because of the corpus @KB_CORPUS@, or crashed twice
                    while reading it, or was ended because reading it took too long. The corpus
                    stays in the store but feeds no model, and the run is started again without it.
                    `kbctl corpora rm @KB_CORPUS@` removes it. To try it again, put the same file
                    into the inbox once more or run `kbctl train @KB_MODEL@ --force`.
                    """)
        case .corpusWarning:
            // Never coalesced: text of the user's was changed, and the file is no longer in the inbox.
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0056", level: .warning,
                subject: "Part of a file was changed or left out",
                explanation: """
                    @KB_NAME@ was admitted as @KB_CORPUS@, but not all of it is in the corpus as it
                    was in the file. `kbctl corpora` shows all warnings. If they are not expected,
                    remove the corpus with `kbctl corpora rm @KB_CORPUS@`, correct the file, and put
                    it into the inbox again.
                    """)
        case .fileLeftAlone:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0021", level: .warning,
                log: .coalesced { "and \($0.count) more stay in the inbox and are not read: \($0.names), …" },
                subject: "An entry in the inbox is not a regular file",
                explanation: """
                    @KB_NAME@ @KB_REASON@.

                    It is ignored, and reported once until it is removed or the service is
                    restarted. Only regular files are read; symbolic links are never followed.
                    """)
        case .inboxProgress:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0024", subject: "Many files wait in the inbox",
                explanation: """
                    Files are being admitted; this is reported every ten seconds while more than a
                    hundred wait. `kbctl status` shows how many are left.
                    """)
        case .inboxPolled:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0025", level: .notice, subject: "The inbox is scanned periodically",
                explanation: """
                    @KB_NAME@ is on a file system whose changes the kernel does not report when
                    another host makes them. New files are found by scans; `inbox.poll` sets their
                    interval.
                    """)
        case .folderUnknown:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0026", level: .warning, log: .coalesced(),
                subject: "A folder has almost the name of a model",
                explanation: """
                    The files in inbox/@KB_NAME@/ feed all models, because there is no model of this
                    name. If @KB_MODEL@ is meant, rename the folder, remove the corpora with
                    `kbctl corpora rm` and drop the files again.
                    """)
        case .runQueued:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0006", log: .coalesced(), subject: "A training run was queued",
                explanation: """
                    Runs are trained one at a time; @KB_RUN@ is waiting for its turn.
                    `kbctl cancel @KB_RUN@` removes it from the queue.
                    """)
        case .preflight:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0015", subject: "Resources a training run will need",
                explanation: """
                    Before its first step, a run measures the machine's speed and its memory limit
                    and estimates its duration and peak memory. If the memory is not sufficient, the
                    run fails at this point.
                    """)
        case .runStarted:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0007", level: .notice, subject: "A training run has started",
                explanation: """
                    @KB_RUN@ trains the model @KB_MODEL@ in a separate process. `kbctl watch` shows
                    its progress, `kbctl plot @KB_RUN@` its loss curve.
                    """)
        case .tokenizerTrained:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0008", subject: "A tokenizer was trained",
                explanation: """
                    The run has trained a byte-level BPE tokenizer on its corpora and tokenizes them
                    next.
                    """)
        case .textSummary:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0054", subject: "The text of a training run",
                explanation: """
                    How much text the run has, what share of it is trained on, held out for
                    evaluation or left out, and how each corpus is divided into samples. The key
                    `samples` of the model chooses another division.
                    """)
        case .textWarning:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0055", level: .warning, log: .coalesced(),
                subject: "A run uses its text in an unexpected way",
                explanation: """
                    The run continues. The message says what differs from the settings, why, and
                    which setting changes it.
                    """)
        case .modelChosen:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0057", subject: "A training run chose its model",
                explanation: """
                    Settings with the value auto leave the size of the model and the number of
                    epochs to the run, which chooses them for the amount of text, max_time and
                    the speed of the CPU. The message gives the numbers; a number that is set in
                    kantaibert.yaml is kept.
                    """)
        case .startChosen:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0058", subject: "What a training run starts from",
                explanation: """
                    A run starts from the generation that serves, or from random weights, as the
                    key `start` of the model says. The message gives the reason. If the gate
                    rejects a model that started from a generation, a run from random weights is
                    queued once.
                    """)
        case .ranksJoined:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d00a0", subject: "Several processes train a run together",
                explanation: """
                    The command of `training.launcher` has started several processes, which divide
                    the work of each step. The first one writes all files. If one of them ends or
                    is hung, all end, and the run resumes from its checkpoint.
                    """)
        case .communication:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d00a1", log: .coalesced(),
                subject: "How much of a step was communication",
                explanation: """
                    The processes of a run exchange gradients and parameters in each step. The
                    message gives the share of the time that this takes, including the time in
                    which faster processes wait for slower ones, and names the slowest.
                    """)
        case .step:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0009", log: .sampled, subject: "Training step",
                explanation: """
                    Progress is logged every `logging_steps` steps, at most once per second. All
                    steps are recorded in metrics.db: `kbctl metrics @KB_RUN@`.
                    """)
        case .stepSkipped:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0014", level: .warning, log: .coalesced(),
                subject: "A training step was skipped",
                explanation: """
                    The loss or the gradient was not finite, so the weights were not updated. After
                    `max_bad_steps` such steps in a row the run fails; a lower `learning_rate`
                    usually helps.
                    """)
        case .evaluation:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000a", log: .coalesced(), subject: "A run was evaluated on held-out text",
                explanation: """
                    The held-out loss measures the model on text that no run is trained on. If it
                    rises while the training loss falls, the model overfits.
                    `kbctl plot @KB_RUN@` shows both.
                    """)
        case .sample:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0061", log: .sampled, subject: "A sample of a model's text",
                explanation: """
                    After each evaluation a run continues a fixed prompt, or fills in the masks of a
                    fixed sentence, so that its progress can be read. The recipe's key
                    `sample_prompt` sets the prompt or turns the samples off.
                    """)
        case .checkpoint:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000b", log: .coalesced(), subject: "A checkpoint was written",
                explanation: "If the run is interrupted, it resumes from this step.")
        case .runResumed:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0044", subject: "A run continues an earlier run",
                explanation: """
                    An earlier run with the same configuration and corpora was cancelled or failed;
                    @KB_RUN@ continues from its checkpoint.
                    """)
        case .runFinished:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000c", level: .notice, subject: "A training run has finished",
                explanation: """
                    Its model was published as a new generation: a Hugging Face model directory
                    under models/@KB_MODEL@/.
                    """)
        case .runInterrupted:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000d", subject: "A training run was interrupted",
                explanation: """
                    The run has written a checkpoint and resumes from it when the service is started
                    again. No action is needed.
                    """)
        case .runPaused:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0050", subject: "A training run was paused",
                explanation: """
                    Its training window has closed, or an administrator paused the training of its
                    model. The run has written a checkpoint and resumes when the next window opens,
                    or after `kbctl resume`.
                    """)
        case .trainingPaused:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0060", level: .notice, subject: "The training of models was paused",
                explanation: """
                    An administrator paused it, also across restarts of the service. New text is
                    admitted as before. `kbctl resume` or `kbctl train` ends the pause.
                    """)
        case .trainingResumed:
            EventDefinition(
                "68fe499862cc400ea0a161ee30599962", level: .notice, subject: "The training of models was resumed",
                explanation: """
                    An administrator ended the pause. A run that was stopped continues where it
                    stopped.
                    """)
        case .scheduleSkipped:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0051", subject: "A scheduled training run was skipped",
                explanation: """
                    The schedule fired, but there was nothing to train on; the message gives the
                    reason. `kbctl status` shows when the schedule fires next.
                    """)
        case .runDied:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000e", level: .warning,
                subject: "The process of a training run has crashed",
                explanation: """
                    The process ended without reporting an error: because of a signal, the kernel's
                    out-of-memory killer or a bug. It is restarted from its last checkpoint, up to
                    `training.max_restarts` times. If memory ran out (see journalctl -k), choose a
                    smaller preset or a smaller `per_device_train_batch_size`.
                    """)
        case .runFailed:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d000f", level: .error, subject: "A training run has failed",
                explanation: """
                    The run is not restarted automatically. Reason: @KB_REASON@
                    The current generation continues to serve. Once the cause is fixed, start
                    training again with `kbctl train @KB_MODEL@ --force`.
                    """)
        case .runCancelled:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0010", log: .coalesced(), subject: "A training run was cancelled",
                explanation: "It was cancelled on request. `kbctl train @KB_MODEL@` starts another run.")
        case .generationServes:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0011", level: .notice, subject: "A generation serves",
                explanation: """
                    The model @KB_MODEL@ now answers with generation @KB_GENERATION@. Requests that
                    are in progress finish on the previous one. `kbctl promote @KB_MODEL@ NUMBER`
                    switches to another generation.
                    """)
        case .generationDamaged:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0012", level: .error, subject: "A generation cannot be loaded",
                explanation: """
                    Its files are damaged or cannot be read. `kbctl generations @KB_MODEL@` lists
                    the others; `kbctl promote @KB_MODEL@ NUMBER` serves one of them.
                    """)
        case .generationJudged:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0040", subject: "A candidate was evaluated",
                explanation: """
                    The candidate and the generation that serves were evaluated on the same held-out
                    text. The candidate replaces it unless its bits per byte are higher by more than
                    `promotion.tolerance`. `kbctl generations @KB_MODEL@` shows the figures.
                    """)
        case .generationRejected:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0041", level: .warning, subject: "A candidate was not promoted",
                explanation: """
                    It is worse than the generation that serves, or could not be evaluated; the
                    message says which. `kbctl promote @KB_MODEL@ @KB_GENERATION@` promotes it
                    anyway.
                    """)
        case .generationRemoved:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0062", level: .notice, subject: "A generation was removed",
                explanation: """
                    An administrator deleted the files of a generation that did not serve.
                    """)
        case .pruned:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0042", log: .coalesced(), subject: "Old files were removed",
                explanation: """
                    Generations, runs and checkpoints beyond the retention settings were removed.
                    The generation that serves and the files of active runs are always kept.
                    """)
        case .metricsRenewed:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0043", level: .error, subject: "The database was replaced by a new one",
                explanation: """
                    The database was damaged, missing, or written by a newer version of this
                    program; the message says which, and where the old file was moved. Models,
                    corpora and runs were restored from disk; steps and events of earlier runs
                    remain in the old file only. If it was damaged, check the disk:
                    `journalctl -k -p warning`.
                    """)
        case .problem:
            EventDefinition(
                "b1f0c7a6d3e94a0f8c52e1745a9d0013", level: .error, log: .coalesced(), subject: "An operation failed",
                explanation: """
                    The service continues without it. The message says what failed and why;
                    `kbctl doctor` checks the common causes: a full disk, permissions, memory.
                    """)
        }
    }
}
