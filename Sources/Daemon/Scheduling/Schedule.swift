import FoundationEssentials

/// When a model is trained: on what grounds a run is queued, and in which hours it works.
public struct Schedule: Sendable, Equatable {
    /// A run is queued when corpora have come and no more have for `settle`.
    var onArrival: Bool
    /// How long no new corpus may have come.
    var settle: Duration
    /// How long a corpus may have to wait for others to settle: ten times `settle`, an hour at most, and never less than
    /// `settle` itself.
    var longestWait: Duration { max(settle, min(settle * 10, .seconds(3600))) }
    /// A run is queued so many seconds after the last time that `every` or `calendar` came.
    var everySeconds: Double?
    var calendar: CalendarExpression?
    /// nil: a run may work at any hour.
    var window: TrainingWindow?
    /// The zone of this machine.
    var local: TimeZoneRules

    package init(_ settings: ScheduleSettings, local: TimeZoneRules) {
        everySeconds = settings.everySeconds
        calendar = settings.calendar
        onArrival = settings.trainsOnArrival
        settle = .seconds(settings.settleSeconds)
        window = settings.window
        self.local = local
    }

    /// When `every` or `calendar` comes next after it last came; nil: never.
    func next(after last: Date) -> Date? {
        [everySeconds.map { last.addingTimeInterval($0) }, calendar?.next(after: last, local: local)]
            .compactMap(\.self).min()
    }

    func isOpen(at date: Date) -> Bool { window?.isOpen(at: date, local: local) ?? true }

    /// When the window opens next, where it is closed, or closes; nil: never.
    func windowChange(after date: Date) -> Date? { window?.change(after: date, local: local) }
}
