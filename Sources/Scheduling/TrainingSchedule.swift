import FoundationEssentials

/// When a model is trained: the events that queue a run, and the hours in which the run may work.
public struct TrainingSchedule: Sendable, Equatable {
    /// Whether new corpora queue a run once none has arrived for `settle`.
    package var onArrival: Bool
    /// Time without new corpora after which a run is queued.
    package var settle: Duration
    /// Queues a run this many seconds after the previous elapse; nil means never.
    package var everySeconds: Double?
    /// Queues a run when the expression elapses; nil means never.
    package var calendar: CalendarExpression?
    /// The hours in which runs may work; nil means any hour.
    package var window: TrainingWindow?
    /// The time zone of this machine.
    package var local: TimeZoneRules

    package init(
        onArrival: Bool, settle: Duration, everySeconds: Double?, calendar: CalendarExpression?,
        window: TrainingWindow?, local: TimeZoneRules
    ) {
        self.onArrival = onArrival
        self.settle = settle
        self.everySeconds = everySeconds
        self.calendar = calendar
        self.window = window
        self.local = local
    }

    /// The longest a corpus waits for others to settle: ten times `settle`, at most one hour, and never less than `settle`.
    var longestWait: Duration { max(settle, min(settle * 10, .seconds(3600))) }

    /// Returns when `every` or `calendar` next elapses after it last elapsed, or nil if it never does.
    func next(after last: Date) -> Date? {
        [everySeconds.map { last.addingTimeInterval($0) }, calendar?.next(after: last, local: local)]
            .compactMap(\.self).min()
    }

    func isOpen(at date: Date) -> Bool { window?.isOpen(at: date, local: local) ?? true }

    /// Returns when the window next opens or closes, or nil if it never changes.
    func windowChange(after date: Date) -> Date? { window?.change(after: date, local: local) }
}
