import FoundationEssentials

/// The hours in which runs may work, in local time: `22:00-06:00`, `Sat,Sun 00:00-24:00`.
package struct TrainingWindow: Sendable, Equatable, CustomStringConvertible {
    /// The days on which the window opens; nil means every day.
    private var weekdays: Weekdays?
    /// Minutes since midnight.
    private var opensMinute: Int
    /// Minutes since midnight, of the next day if not later than `opensMinute`.
    private var closesMinute: Int

    package init(_ text: String) throws(CalendarError) {
        var reader = CalendarReader(text)
        weekdays = try reader.weekdays()
        opensMinute = try reader.timeOfDay()
        guard reader.take("-") else { throw CalendarError("expected ‘-’ between the opening and closing times") }
        closesMinute = try reader.timeOfDay()
        guard reader.isAtEnd else { throw CalendarError("unexpected text after the closing time") }
        guard opensMinute < 1440 else { throw CalendarError("a window cannot open at 24:00; use 00:00") }
        guard opensMinute != closesMinute else { throw CalendarError("the opening and closing times are the same") }
    }

    package func isOpen(at date: Date, local: TimeZoneRules) -> Bool {
        isOpen(Int((date.timeIntervalSince1970 * 1_000_000).rounded(.down)), local)
    }

    private func isOpen(_ instant: Int, _ local: TimeZoneRules) -> Bool {
        let now = local.civil(at: instant)
        let (minute, today, yesterday) = (now.minuteOfDay, now.weekday, (now.weekday + 6) % 7)
        func opens(on weekday: Int) -> Bool { weekdays?.contains(weekday) ?? true }
        if opensMinute < closesMinute { return opens(on: today) && (opensMinute..<closesMinute).contains(minute) }
        return (opens(on: today) && minute >= opensMinute) || (opens(on: yesterday) && minute < closesMinute)
    }

    /// Returns when the window next opens or closes after `date`, or nil if it never does.
    package func change(after date: Date, local: TimeZoneRules) -> Date? {
        let isOpen = isOpen(at: date, local: local)
        // Checks every minute, so that changes of the local time are respected; every window repeats within a week.
        let first = (CivilTime.floor(Int(date.timeIntervalSince1970), 60) + 1) * 60
        return stride(from: first, through: first + 8 * 86_400, by: 60)
            .first { self.isOpen($0 * 1_000_000, local) != isOpen }.map { Date(timeIntervalSince1970: Double($0)) }
    }

    package var description: String {
        func time(_ minute: Int) -> String {
            [minute / 60, minute % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }.joined(separator: ":")
        }
        return (weekdays.map { "\($0.text) " } ?? "") + "\(time(opensMinute))-\(time(closesMinute))"
    }
}

extension CalendarReader {
    /// Reads a time such as `22:00`, in minutes since midnight; 24:00 is the end of the day.
    fileprivate mutating func timeOfDay() throws(CalendarError) -> Int {
        let hour = try number(upTo: 24)
        guard take(":") else { throw CalendarError("expected ‘:’ between hour and minute") }
        let minute = hour * 60 + (try number(upTo: 59))
        guard minute <= 1440 else { throw CalendarError("a time cannot be after 24:00") }
        return minute
    }
}
