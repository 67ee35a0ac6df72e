import FoundationEssentials

/// The hours in which runs may work, by the clocks of the local zone: `22:00-06:00`, `Sat,Sun 00:00-24:00`.
package struct TrainingWindow: Sendable, Equatable, CustomStringConvertible {
    /// Days on which it opens; nil: every day.
    private var weekdays: Weekdays?
    /// Of the day.
    private var opensMinute: Int
    /// Of the same day, or where that is past, of the next.
    private var closesMinute: Int

    package init(_ text: String) throws(CalendarError) {
        var reader = CalendarReader(text)
        weekdays = try reader.weekdays()
        opensMinute = try reader.timeOfDay()
        guard reader.take("-") else { throw CalendarError("expected ‘-’ between the times it opens and closes") }
        closesMinute = try reader.timeOfDay()
        guard reader.isAtEnd else { throw CalendarError("something follows the time it closes") }
        guard opensMinute < 1440 else { throw CalendarError("it cannot open at 24:00; 00:00 is the next day") }
        guard opensMinute != closesMinute else { throw CalendarError("it opens and closes at the same time") }
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

    /// The moment from which on it is open when it is closed at `date`, or closed when it is open; nil: it never changes.
    package func change(after date: Date, local: TimeZoneRules) -> Date? {
        let isOpen = isOpen(at: date, local: local)
        // Minute by minute, whatever is done to the clocks meanwhile; all there is happens within a week.
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
    /// `22:00`, in minutes; 24:00 is the end of the day.
    fileprivate mutating func timeOfDay() throws(CalendarError) -> Int {
        let hour = try number(upTo: 24)
        guard take(":") else { throw CalendarError("expected ‘:’ between hour and minute") }
        let minute = hour * 60 + (try number(upTo: 59))
        guard minute <= 1440 else { throw CalendarError("no day goes on after 24:00") }
        return minute
    }
}
