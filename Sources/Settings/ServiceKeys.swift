import Corpora
import Jobs
import Scheduling
import SettingsTable
import TextReading

/// A named part of the settings file.
package struct SettingsSection: Sendable {
    package let name: String
    /// Introduces the section.
    package let documentation: String
    /// The settings, whose keys begin with the name and a dot.
    package let settings: [Setting<Settings>]

    fileprivate init<Inner>(
        _ name: String, _ path: any WritableKeyPath<Settings, Inner> & Sendable, _ documentation: String,
        _ settings: [Setting<Inner>]
    ) {
        self.name = name
        self.documentation = documentation
        self.settings = settings.nested(in: name, path)
    }
}

extension Settings {
    /// The key that lists the models. Unlike the others, it is read before them.
    package static let modelsKey = Setting<Settings>(
        "models", \.modelNames, .list("a list of names of a-z, 0-9, _ and -, each beginning with a letter"),
        change: .onRestart,
        """
        The models. Each has a section with its name, whose keys may differ from those of the others. The name of another \
        section cannot be used.
        """)

    /// All sections but those of the models.
    package static let sections = [
        SettingsSection("inbox", \.inbox, "How files in the inbox are admitted.", inboxKeys),
        SettingsSection("schedule", \.schedule, "When models are trained: see docs/schedule.md.", scheduleKeys),
        SettingsSection("training", \.training, "The processes that train.", trainingKeys),
        SettingsSection(
            "promotion", \.promotion,
            """
            Whether a new generation replaces the one that serves. One that does not is kept as rejected: kbctl generations \
            shows its evaluation, and kbctl promote NAME N promotes it anyway.
            """, promotionKeys),
        SettingsSection("retention", \.retention, "How long generations, runs and metrics are kept.", retentionKeys),
        SettingsSection("serving", \.serving, "How models answer, and the defaults of requests.", servingKeys),
        SettingsSection("socket", \.socket, "The Varlink socket.", socketKeys),
        SettingsSection("logging", \.logging, "The log.", loggingKeys),
    ]

    /// The names that no model can have.
    package static let sectionNames = [modelsKey.key] + sections.map(\.name)

    /// Every setting outside the models' sections.
    package static let serviceSettings = [modelsKey] + sections.flatMap(\.settings)

    var modelNames: [String] {
        get { models.map(\.name) }
        set {
            let old = models
            models = newValue.compactMap { name in old.first { $0.name == name } }
        }
    }
}

private let pollingFormat = ValueFormat.duration(atLeast: 1, atMost: 604_800).or("never").or("auto").mapped {
    seconds -> InboxPolling in
    switch seconds {
    case nil: .automatic
    case .some(nil): .never
    case .some(.some(let seconds)): .every(seconds: seconds)
    }
} back: { polling in
    switch polling {
    case .automatic: nil
    case .never: .some(nil)
    case .every(let seconds): seconds
    }
}

private let inboxKeys: [Setting<InboxSettings>] = [
    Setting(
        "stable", \.stableSeconds, .duration(), change: .onRestart,
        "How long a file must be unchanged before it is admitted."),
    Setting(
        "retry", \.retrySeconds, .duration(), change: .onRestart,
        "Wait before retrying a file that was not admitted because the disk is full or .kbconfig.yaml is invalid."),
    Setting(
        "poll", \.polling, pollingFormat, change: .onRestart,
        """
        Interval between scans of the inbox for files that the kernel does not report. auto: 10s if a folder is on NFS, SMB, \
        FUSE or another file system that other hosts change, otherwise never.
        """),
    Setting(
        "replace", \.replacement, .word, change: .onRestart,
        """
        What happens when a new version of a file is dropped under the same path. keep: models are trained on both \
        versions; newest: the earlier corpus is removed.
        """),
    Setting(
        "text_column", \.reading.textColumn, .text("the name of a column"), change: .onRestart,
        """
        The column of a table (.csv, .tsv), by its name or its number from 1, or the field of an object (.json, .jsonl) that \
        holds the text. A nested field is written as message.text. The key text_column of a .kbconfig.yaml applies \
        instead, and can name several.
        """),
    Setting(
        "max_file_bytes", \.reading.maxFileBytes, .integer(atLeast: 1), change: .onRestart,
        "Maximum size of a file in bytes. The default, 4 GiB, takes two cores about a week to train on."),
    Setting(
        "max_expanded_bytes", \.reading.maxExpandedBytes, .integer(atLeast: 1), change: .onRestart,
        "Maximum size of a compressed file after expansion, in bytes."),
    Setting(
        "max_expansion_ratio", \.reading.maxExpansionRatio, .integer(atLeast: 1), change: .onRestart,
        "Maximum ratio of expanded to compressed size; checked above 16 MiB."),
    Setting(
        "max_record_bytes", \.reading.maxRecordBytes, .integer(atLeast: 1), change: .onRestart,
        "Maximum size of one record of a table or a .jsonl file, in bytes."),
]

let scheduleKeys: [Setting<ScheduleSettings>] = [
    Setting(
        "on_arrival", \.onArrival, ValueFormat.boolean.or("auto"), change: .onReload,
        "Whether new corpora start a run. auto: if neither every nor calendar is set."),
    Setting(
        "settle", \.settleSeconds, .duration(), change: .onReload,
        """
        How long no corpus may have arrived before a run starts. If corpora keep arriving, a run starts when the first has \
        waited ten times as long, and after an hour at most.
        """),
    Setting(
        "every", \.everySeconds, ValueFormat.duration(atLeast: 1).or("none"), change: .onReload,
        """
        Interval between runs, such as 24h. Without new corpora, no run starts. A run that was missed while the machine was \
        off is made up for.
        """),
    Setting(
        "calendar", \.calendar,
        ValueFormat(
            "a calendar expression as in systemd.time(7), such as Mon..Fri 22:00",
            explaining: { text throws(CalendarError) in try CalendarExpression(text) }, text: \.description
        ).or("none"), change: .onReload,
        "When runs start, as a calendar expression of systemd.time(7). Quote one that begins with *."),
    Setting(
        "window", \.window,
        ValueFormat(
            "hours such as 22:00-06:00 or Sat,Sun 00:00-24:00",
            explaining: { text throws(CalendarError) in try TrainingWindow(text) }, text: \.description
        ).or("none"), change: .onReload,
        "Hours in which runs may work, such as 22:00-06:00. Outside them a run is interrupted at a checkpoint."),
]

/// A command as a list, or as one text whose words are separated by spaces.
private let launcherFormat = ValueFormat<[String]>.list("a list of words such as [mpirun, -np, 4]").mapped { words in
    words.count == 1 ? words[0].split(separator: " ").map(String.init) : words
} back: {
    $0
}

private let trainingKeys: [Setting<TrainingSettings>] = [
    Setting(
        "max_restarts", \.maxRestarts, .integer(atLeast: 0), change: .onReload,
        "How often a run whose process died is restarted from its checkpoint before it fails."),
    Setting(
        "restart_wait", \.restartWaitSeconds, .duration(), change: .onReload,
        "Wait before the first restart. Each further wait is four times as long."),
    Setting(
        "stop", \.stopSeconds, .duration(), change: .onRestart,
        "How long a run may take to write its checkpoint when it is asked to stop, before it is killed."),
    Setting(
        "stall", \.stallSeconds, ValueFormat.duration(above: 0).or("never"), change: .onReload,
        """
        A run that reports nothing for this long is considered hung and restarted like one that died. Runs report at least \
        every 15 s, also while they count words, wait or evaluate. never: no limit.
        """),
    Setting(
        "nice", \.nice, .integer(atLeast: 0, atMost: 19), change: .onReload,
        "Niceness of the process, which also runs under the scheduling policy for batch work."),
    Setting(
        "oom_score_adjust", \.oomScoreAdjust, .integer(atLeast: 0, atMost: 1000), change: .onReload,
        "How much sooner than the service the kernel kills the process when memory runs out."),
    Setting(
        "memory_limit", \.memoryLimit, ValueFormat.bytes(atLeast: 1).or("auto"), change: .onReload,
        """
        Memory for a run. A run that needs more is refused before it starts, and one that uses more is killed. auto: the \
        memory that is available when it starts, or the limit of its control group.
        """),
    Setting(
        "launcher", \.launcher, launcherFormat, change: .onReload,
        """
        The command that starts the processes of a run on one or several machines, as a list of words; the training program \
        and its arguments follow. A run has at most as many processes as logical_workers. []: one process on this machine. \
        See docs/cluster.md.
        """),
    Setting(
        "notify", \.notify,
        .list("a list of the absolute path of a program and its arguments") { command in
            command.isEmpty
                || command.count <= 64 && command[0].hasPrefix("/")
                    && command.allSatisfy { $0.utf8.count <= 4_096 && !$0.utf8.contains(0) }
        }, change: .onReload,
        """
        A command that is run when a run has finished or failed, once for each, such as [/usr/local/bin/notify, --quiet]. \
        It is started without a shell, has 60 s and the service's sandbox, and finds run, model, state (finished or \
        failed), generation and reason in the variables KB_RUN, KB_MODEL, KB_STATE, KB_GENERATION and KB_REASON. If it \
        fails, that is logged. []: none.
        """),
]

private let promotionKeys: [Setting<PromotionSettings>] = [
    Setting(
        "tolerance", \.tolerance, .number(atLeast: 0, atMost: 10), change: .onReload,
        """
        Fraction by which the bits per byte of the new generation may exceed those of the one that serves, on the same \
        held-out text.
        """)
]

private let retentionKeys: [Setting<RetentionSettings>] = [
    Setting(
        "keep_generations", \.keepGenerations, .integer(atLeast: 1), change: .onReload,
        "Generations kept of each model. The one that serves and the newest are always kept."),
    Setting(
        "keep_checkpoints", \.keepCheckpoints, .boolean, change: .onReload,
        "Whether finished runs keep their checkpoints, each 0.7 to 1 GB with the preset kantaibert."),
    Setting(
        "keep_runs", \.keepRuns, .integer(atLeast: 1), change: .onReload,
        "Directories kept of each model's finished runs, with job and tokenizer."),
    Setting(
        "keep_metrics", \.keepMetricsSeconds, ValueFormat.duration().or("forever"), change: .onReload,
        "How long steps, evaluations and events stay in metrics.db."),
    Setting(
        "reserve", \.reserveBytes, ValueFormat.bytes().or("auto"), change: .onReload,
        """
        Disk space that corpora and runs leave free for the database and the service. A file that would use it waits in the \
        inbox, and a run that would use it is refused before it starts. auto: 1 GiB, or a twentieth of a disk smaller than \
        20 GiB.
        """),
]

private let servingKeys: [Setting<ServingSettings>] = [
    Setting(
        "precision", \.precision, .word, change: .onRestart,
        """
        Number format of the weights: float32, bfloat16 (half the memory), int8 (a quarter of the memory) or auto, which \
        is, for each generation, the fastest on this machine whose bits per byte of held-out text are within 0.1 % of \
        float32's. They are measured when the generation is evaluated; without them auto does not choose int8. Weights \
        are packed once, into a file in the generation's directory.
        """),
    Setting(
        "max_concurrent_requests", \.maxConcurrentRequests, .integer(atLeast: 1), change: .onRestart,
        "Maximum number of requests that wait or are being answered. Further ones fail with Overloaded."),
    Setting(
        "max_concurrent_requests_per_user", \.maxConcurrentRequestsPerUser, ValueFormat.integer(atLeast: 1).or("auto"),
        change: .onRestart,
        "The same limit for each user. auto: half of max_concurrent_requests, less if others use most of it."),
    Setting(
        "max_request_memory", \.maxRequestMemory, .bytes(atLeast: 16 << 20), change: .onRestart,
        """
        Memory for requests that are being received or answered; one user gets at most half of it. Further requests fail \
        with Overloaded.
        """),
    Setting(
        "max_new_tokens", \.maxNewTokens, .integer(atLeast: 1), change: .onReload,
        "Maximum number of tokens to generate."),
    Setting(
        "temperature", \.temperature, .number(atLeast: 0, atMost: 100), change: .onReload,
        "Divides the logits before sampling. 0: always the most likely token."),
    Setting(
        "top_k", \.topK, .integer(atLeast: 0), change: .onReload,
        "Samples only from this many of the most likely tokens. 0: all."),
    Setting(
        "top_p", \.topP, .number(atLeast: 0.000001, atMost: 1), change: .onReload,
        "Samples only from the most likely tokens that together have this probability."),
    Setting(
        "min_p", \.minP, .number(atLeast: 0, atMost: 1), change: .onReload,
        "Samples only from tokens at least this probable relative to the most likely one."),
    Setting(
        "repetition_penalty", \.repetitionPenalty, .number(atLeast: 0.01, atMost: 100), change: .onReload,
        "Divides the scores of tokens that have occurred. 1: no penalty."),
    Setting(
        "fillings", \.fillings, .integer(atLeast: 1), change: .onReload,
        "Number of predictions for each <mask>."),
    Setting(
        "trace", \.trace, .word, change: .onReload,
        """
        Who may search the corpora that a model was trained on and trace its answers to them (kbctl find, trace, ask --why), \
        which shows their text: everyone who may connect, admins (see socket.admin_group), or nobody (off). auto: everyone \
        if the service was started without root, with a socket of its own and without socket.group; otherwise admins.
        """),
]

private let socketKeys: [Setting<SocketSettings>] = [
    Setting(
        "mode", \.mode, .permissions, change: .onRestart,
        "Permission bits of the socket, if the service creates it instead of systemd."),
    Setting(
        "group", \.group, ValueFormat.text("the name of a group").or("null"), change: .onRestart,
        "Group of the socket, if the service creates it instead of systemd. null: the service's own group."),
    Setting(
        "admin_group", \.adminGroup, ValueFormat.text("the name of a group").or("null"), change: .onRestart,
        """
        The group that may train, cancel, promote, import, export and make any other change, besides root and the service's \
        own user. null: nobody else. Everyone who may connect may make inference requests.
        """),
    Setting(
        "max_connections", \.maxConnections, .integer(atLeast: 1), change: .onRestart,
        "Maximum number of connections. A further one receives an error and is closed."),
    Setting(
        "max_connections_per_user", \.maxConnectionsPerUser, ValueFormat.integer(atLeast: 1).or("auto"),
        change: .onRestart,
        "The same limit for each user. auto: half of max_connections."),
    Setting(
        "max_request_bytes", \.maxRequestBytes, .integer(atLeast: 1024), change: .onRestart,
        "Maximum size of a request in bytes."),
    Setting(
        "idle_timeout", \.idleTimeoutSeconds, .duration(), change: .onRestart,
        "Closes a connection that has been unused for this long. One with a running kbctl watch is in use."),
    Setting(
        "receive_timeout", \.receiveTimeoutSeconds, .duration(), change: .onRestart,
        "Maximum time for a request to arrive, from its first byte to its last."),
    Setting(
        "answer_timeout", \.answerTimeoutSeconds, .duration(), change: .onRestart,
        "Maximum time until a request is answered, and between two replies of a stream."),
    Setting(
        "read_timeout", \.readTimeoutSeconds, .duration(), change: .onRestart,
        "Maximum time for a client to read a reply."),
]

private let loggingKeys: [Setting<LoggingSettings>] = [
    Setting(
        "level", \.level, .oneOf(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
        change: .onReload,
        "The lowest level that is logged.")
]
