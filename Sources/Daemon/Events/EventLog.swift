import Dispatch
import Events
import Logging
import Synchronization
import Varlink

/// Writes events to the log, within the rate limits of their kinds.
///
/// A line that is held back is written at the end of its one-second interval, even if no other event occurs. Call
/// `flush` before the process ends.
final class EventLog: Sendable {
    private struct State {
        var bursts = LogCoalescer()
        var isTimed = false
    }

    private let logger: Logger
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "io.kantaibert.log")

    init(_ logger: Logger) { self.logger = logger }

    func write(_ event: ServiceEvent) {
        let lines = state.withLock { state in
            let lines = state.bursts.take(event, now: .now)
            schedule(&state)
            return lines
        }
        for event in lines { line(event) }
    }

    /// Writes all lines that are held back.
    func flush() {
        for event in state.withLock({ $0.bursts.lines(now: nil) }) { line(event) }
    }

    private func schedule(_ state: inout State) {
        guard !state.isTimed, let end = state.bursts.end else { return }
        state.isTimed = true
        let milliseconds = max(0, Int(ContinuousClock.now.duration(to: end) / .milliseconds(1))) + 1
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [self] in
            let due = self.state.withLock { state in
                state.isTimed = false
                defer { schedule(&state) }
                return state.bursts.lines(now: .now)
            }
            for event in due { line(event) }
        }
    }

    private func line(_ event: ServiceEvent) {
        var metadata: Logger.Metadata = [
            "MESSAGE_ID": "\(event.kind.definition.messageID)", "event": "\(event.kind.rawValue)",
        ]
        for (name, value) in event.fields { metadata[name] = "\(value.logText)" }
        metadata["model"] = event.model.map { "\($0)" }
        metadata["run"] = event.run.map { "\($0)" }
        metadata["corpus"] = event.corpus.map { "\($0)" }
        logger.log(level: event.kind.definition.level, "\(event.message)", metadata: metadata)
    }
}

extension JSONValue {
    fileprivate var logText: String {
        switch self {
        case .null: ""
        case .bool(let value): value ? "1" : "0"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): value
        case .array(let values): values.map(\.logText).joined(separator: " ")
        case .object(let members):
            members.sorted { $0.key < $1.key }.map { "\($0)=\($1.logText)" }.joined(separator: " ")
        }
    }
}
