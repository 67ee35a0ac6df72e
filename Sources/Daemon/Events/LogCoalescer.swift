import Events
import Formatting
import LimitedLogging
import Varlink

/// Decides which events become log lines, by the `LogRate` of their kind.
///
/// The first event of a coalesced kind is logged immediately. Further events within the next second are held back and
/// summarized in one line at the end of that second, or earlier if an event of an unlimited kind occurs, so that the
/// log stays in order.
///
/// A pure value type: takes events and times, and returns lines.
package struct LogCoalescer {
    private struct Burst {
        /// Time until which events are held back.
        var end: ContinuousClock.Instant
        /// The first few events held back, and the number of all that are held back.
        var first: [ServiceEvent] = []
        var count = 0
        var bytes = 0
    }

    private static let interval = Duration.seconds(1)
    /// Up to this many events are listed one by one.
    private static let most = 3

    private var bursts: [EventKind: Burst] = [:]
    /// Limits of the sampled kinds.
    private var rates: [EventKind: RateLimiter] = [:]

    package init() {}

    /// Takes an event.
    /// - Returns: the lines to write now. If they do not include the event, it is either held back until `end`, when
    ///   `lines` returns it, or dropped because its kind is sampled.
    package mutating func take(_ event: ServiceEvent, now: ContinuousClock.Instant) -> [ServiceEvent] {
        switch event.kind.definition.logRate {
        case .unlimited: return lines(now: nil) + [event]
        case .sampled:
            guard rates[event.kind, default: RateLimiter(interval: Self.interval)].allowsLine(now: now) else {
                return []
            }
            return lines(now: nil) + [event]
        case .coalesced: return coalesce(event, now: now)
        }
    }

    private mutating func coalesce(_ event: ServiceEvent, now: ContinuousClock.Instant) -> [ServiceEvent] {
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

    /// When the next lines are due; nil if no event is held back.
    package var end: ContinuousClock.Instant? { bursts.values.lazy.filter { $0.count > 0 }.map(\.end).min() }

    /// Returns the lines that are due.
    /// - Parameter now: the current time; nil returns all lines held back
    package mutating func lines(now: ContinuousClock.Instant?) -> [ServiceEvent] {
        let due = bursts.filter { $0.value.count > 0 && (now == nil || $0.value.end <= now!) }
        for kind in due.keys { bursts[kind] = now.map { Burst(end: $0 + Self.interval) } }
        return due.sorted { $0.value.end < $1.value.end }.map { Self.line($0, $1) }
    }

    private static func line(_ kind: EventKind, _ burst: Burst) -> ServiceEvent {
        if burst.count == 1 { return burst.first[0] }
        let messages = burst.first.map(\.message).joined(separator: "; ")
        let fields = ["count": JSONValue.int(burst.count), "bytes": .int(burst.bytes)]
        guard burst.count > most, case .coalesced(let summary) = kind.definition.logRate else {
            return ServiceEvent(kind, messages, fields: fields)
        }
        let names = burst.first.compactMap { event in
            if case .string(let name)? = event.fields["name"] { name } else { nil }
        }
        let events = CoalescedEvents(
            count: MessageFormat.count(burst.count), bytes: MessageFormat.bytes(burst.bytes), messages: messages,
            names: names.joined(separator: ", "))
        return ServiceEvent(kind, summary(events), fields: fields)
    }
}
