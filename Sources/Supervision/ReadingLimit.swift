import Formatting
import Jobs
import Synchronization

/// How long a run may take to read one of its corpora: to filter it, count its words and turn it into tokens.
///
/// Without this limit, a corpus that takes longer than the run has makes every run fail, and no other corpus is trained on.
package struct ReadingLimit: Sendable, Equatable {
    package var seconds: Double
    /// Whether the limit follows from `max_time`.
    package var isOfMaxTime: Bool
    /// The names of the run's corpora, by SHA-256.
    package var names: [String: String]

    /// Share of `max_time` that the reading of one corpus may take, so that as much is left for training.
    static let share = 0.5
    /// A minute is not the fault of a corpus, however short the run is.
    static let leastSeconds = 60.0
    /// Without `max_time`: nothing else ends such a run.
    static let secondsWithoutMaxTime = 12 * 3600.0

    package init(seconds: Double, isOfMaxTime: Bool = true, names: [String: String]) {
        self.seconds = seconds
        self.isOfMaxTime = isOfMaxTime
        self.names = names
    }

    /// Returns nil if the run has only one corpus: without it, nothing would be trained on.
    package init?(_ job: Job) {
        guard job.corpora.count > 1 else { return nil }
        let maxSeconds = job.recipe.maxTime.seconds(textBytes: job.corpora.reduce(0) { $0 + max(0, $1.bytes) })
        self.init(
            seconds: maxSeconds.map { max($0 * Self.share, Self.leastSeconds) } ?? Self.secondsWithoutMaxTime,
            isOfMaxTime: maxSeconds != nil,
            names: Dictionary(job.corpora.map { ($0.sha256, $0.name) }, uniquingKeysWith: { first, _ in first }))
    }

    func reason(_ sha256: String) -> String {
        let share = isOfMaxTime ? ", half of max_time," : ""
        let remedies = (isOfMaxTime ? "set a longer max_time, " : "") + "divide the text, or use fewer filters"
        return
            "the corpus \(names[sha256] ?? String(sha256.prefix(12))) takes more than \(MessageFormat.duration(seconds))\(share) "
            + "to read, while other corpora wait: \(remedies)"
    }
}

/// How long a process has been reading each corpus, by its events. A pure value type.
package struct ReadingTimes: Sendable {
    package typealias Time = ContinuousClock.Instant

    private var finished: [String: Duration] = [:]
    private var current: (corpus: String, since: Time)?

    package init() {}

    /// Notes an event.
    package mutating func note(_ event: RunEvent.Payload, at now: Time) {
        var corpus: String?
        if case .working(let working) = event { corpus = working.corpus }
        guard corpus != current?.corpus else { return }
        if let current { finished[current.corpus, default: .zero] += current.since.duration(to: now) }
        current = corpus.map { ($0, now) }
    }

    /// Returns the corpus that is being read if it has taken longer than the limit.
    package func overdue(at now: Time, limit: ReadingLimit) -> String? {
        guard let (corpus, since) = current, limit.names[corpus] != nil else { return nil }
        let time = finished[corpus, default: .zero] + since.duration(to: now)
        return time > .seconds(limit.seconds) ? corpus : nil
    }
}

/// Follows the reading of one process.
final class ReadingWatch: Sendable {
    private let limit: ReadingLimit
    private let times = Mutex(ReadingTimes())

    init(_ limit: ReadingLimit) { self.limit = limit }

    func note(_ event: RunEvent.Payload) { times.withLock { $0.note(event, at: .now) } }

    /// Why the process must be killed now, or nil.
    var violation: RunProcess.Cause? {
        times.withLock { $0.overdue(at: .now, limit: limit) }.map { .readTooLong(corpus: $0, reason: limit.reason($0)) }
    }
}
