import Formatting
import Varlink

/// Which events are a line in the log at once, and which are summed up: of a kind that can come thousands of times in a
/// minute, the first is a line, and what follows within a second is held for one line about all of it, or until something
/// of another sort happens: what has been held then came before it.
///
/// A value without clock and log: events and times go in, lines come out.
package struct LogCoalescer {
    private struct Burst {
        /// Until when what comes is held.
        var end: ContinuousClock.Instant
        /// The first few of what is held, and how many there are.
        var first: [ServiceEvent] = []
        var count = 0
        var bytes = 0
    }

    private static let interval = Duration.seconds(1)
    /// So few are told of one by one.
    private static let most = 3

    private var bursts: [EventKind: Burst] = [:]

    package init() {}

    /// - Returns: the lines to be written now. Where the event is not the last of them, it is in what `lines` returns after
    ///   `end`.
    package mutating func take(_ event: ServiceEvent, now: ContinuousClock.Instant) -> [ServiceEvent] {
        guard event.kind.comesInBursts else { return lines(now: nil) + [event] }
        guard var burst = bursts[event.kind], burst.count > 0 || now < burst.end else {
            bursts[event.kind] = Burst(end: now + Self.interval)
            return [event]
        }
        if burst.first.count < Self.most { burst.first.append(event) }
        burst.count += 1
        if case .int(let bytes)? = event.fields["bytes"] { burst.bytes += bytes }
        bursts[event.kind] = burst
        return []
    }

    /// When the next lines are due; nil where nothing is held.
    package var end: ContinuousClock.Instant? { bursts.values.lazy.filter { $0.count > 0 }.map(\.end).min() }

    /// - Parameter now: nil for all that is held
    /// - Returns: lines about what was held and is due
    package mutating func lines(now: ContinuousClock.Instant?) -> [ServiceEvent] {
        let due = bursts.filter { $0.value.count > 0 && (now == nil || $0.value.end <= now!) }
        for kind in due.keys { bursts[kind] = now.map { Burst(end: $0 + Self.interval) } }
        return due.sorted { $0.value.end < $1.value.end }.map { Self.line($0, $1) }
    }

    private static func line(_ kind: EventKind, _ burst: Burst) -> ServiceEvent {
        if burst.count == 1 { return burst.first[0] }
        let messages = burst.first.map(\.message).joined(separator: "; ")
        let fields = ["count": JSONValue.int(burst.count), "bytes": .int(burst.bytes)]
        guard burst.count > most else { return ServiceEvent(kind, messages, fields: fields) }
        let count = MessageFormat.count(burst.count)
        let names = burst.first.compactMap { event in
            if case .string(let name)? = event.fields["name"] { name } else { nil }
        }.joined(separator: ", ")
        let message =
            switch kind {
            case .corpusAdmitted: "and \(count) further files are admitted: \(MessageFormat.bytes(burst.bytes))"
            case .corpusDuplicate: "and \(count) further files are known already: \(MessageFormat.bytes(burst.bytes))"
            case .corpusRemoved: "and \(count) further texts are taken out"
            case .corpusRejected:
                "and \(count) further files are rejected (‘kbctl corpora --state rejected’ lists them): \(messages); …"
            case .fileLeftAlone: "and \(count) more stay in the inbox, and are not read: \(names), …"
            default: "and \(count) more of the kind: \(messages); …"
            }
        return ServiceEvent(kind, message, fields: fields)
    }
}

extension EventKind {
    /// What files, a full disk, or somebody with a loop around a command can bring about.
    fileprivate var comesInBursts: Bool {
        switch self {
        case .corpusAdmitted, .corpusDuplicate, .corpusRejected, .corpusRemoved, .corpusCut, .fileLeftAlone, .problem,
            .stepSkipped, .evaluation, .checkpoint, .pruned, .settingsReloaded, .settingsRefused, .runQueued,
            .runCancelled:
            true
        default: false
        }
    }
}
