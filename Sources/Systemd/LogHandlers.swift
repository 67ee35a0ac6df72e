import Logging

/// Writes to the journal: the message as `MESSAGE`, the metadata as fields.
///
/// Metadata keys are capitalized and prefixed with `KB_` (`step` → `KB_STEP`), except for the journal's own `MESSAGE_ID`.
public struct JournalLogHandler: LogHandler {
    public var logLevel: Logger.Level {
        get { ownLevel ?? SystemdLogging.level }
        set { ownLevel = newValue }
    }
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?
    private let label: String

    public init(label: String) {
        self.label = label
    }

    public func log(event: LogEvent) {
        let entry = JournalEntry(
            level: event.level, message: event.text, metadata: allMetadata(event), file: event.file, line: event.line,
            label: label)
        // If the journal is not available, the line must not be lost.
        if !entry.send() { StandardErrorLogHandler.write(StandardErrorLogHandler.line(event)) }
    }

    private func allMetadata(_ event: LogEvent) -> Logger.Metadata {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        return all
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}

/// Writes human-readable lines to standard error, without the metadata:
/// `12:01:03 info     step 5 of 100, loss 4.2`.
public struct StandardErrorLogHandler: LogHandler {
    public var logLevel: Logger.Level {
        get { ownLevel ?? SystemdLogging.level }
        set { ownLevel = newValue }
    }
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?

    public init() {}

    public func log(event: LogEvent) {
        StandardErrorLogHandler.write(StandardErrorLogHandler.line(event))
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}

extension LogEvent {
    var text: String {
        guard let error else { return message.description }
        return "\(message): \(error)"
    }
}
