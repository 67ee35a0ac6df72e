import Logging

/// Everything that is declared about a kind of event: one row of the table in `EventKind.swift`.
package struct EventDefinition: Sendable {
    /// The journal's `MESSAGE_ID`, for `journalctl MESSAGE_ID=…`. Never changes once it has been released.
    package let messageID: String
    /// Priority of the log line.
    package let level: Logger.Level
    package let logRate: LogRate
    /// First line of the catalog entry that `journalctl -x` shows.
    package let subject: String
    /// Catalog text, in lines of at most 80 characters. `@KB_…@` stands for a field of the journal entry.
    package let explanation: String

    init(
        _ messageID: String, level: Logger.Level = .info, log logRate: LogRate = .unlimited, subject: String,
        explanation: String
    ) {
        self.messageID = messageID
        self.level = level
        self.logRate = logRate
        self.subject = subject
        self.explanation = explanation
    }
}

/// How many lines a kind of event may write to the log. The database and watchers get every event.
package enum LogRate: Sendable {
    /// Every event is a line.
    case unlimited
    /// At most one line per second; the events in between are not logged.
    case sampled
    /// At most one line per second, which summarizes the events in between: for kinds that files, a full disk or a
    /// command in a loop can cause thousands of times per minute.
    case coalesced(
        @Sendable (CoalescedEvents) -> String = { "and \($0.count) more like these: \($0.messages); …" })
}

/// Events of one kind that are summarized in a single log line.
package struct CoalescedEvents: Sendable {
    /// Number of events, formatted as `9,998`.
    package var count: String
    /// Sum of their `bytes` fields, formatted as `12.3 MB`.
    package var bytes: String
    /// The first few messages.
    package var messages: String
    /// The `name` fields of the first few.
    package var names: String

    package init(count: String, bytes: String, messages: String, names: String) {
        self.count = count
        self.bytes = bytes
        self.messages = messages
        self.names = names
    }
}
