import Scheduling
import Settings

extension TrainingSchedule {
    /// Creates the schedule that the settings of a model describe.
    init(_ settings: ScheduleSettings, local: TimeZoneRules) {
        self.init(
            onArrival: settings.trainsOnArrival, settle: .seconds(settings.settleSeconds),
            everySeconds: settings.everySeconds, calendar: settings.calendar, window: settings.window, local: local)
    }
}
