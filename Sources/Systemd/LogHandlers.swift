import Logging

/// Writes to the journal: the message as a line for people, the metadata as fields for programs.
///
/// Metadata keys become fields by `KB_` and capital letters (`step` → `KB_STEP`); the key `MESSAGE_ID` is the journal's.
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
        // A journal that is away must not swallow the line.
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

/// Writes lines for people to standard error: `12:01:03 info     step 5 of 100, loss 4.2`. The metadata is for programs
/// and is left out.
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
