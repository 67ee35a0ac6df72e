/// A date and time of day without a time zone, in the proleptic Gregorian calendar.
package struct CivilTime: Sendable, Equatable {
    package var year: Int
    /// From 1.
    package var month: Int
    /// From 1.
    package var day: Int
    package var hour: Int
    package var minute: Int
    /// Microseconds of the minute.
    package var microsecond: Int

    static let microsecondsPerMinute = 60_000_000
    static let microsecondsPerDay = 86_400_000_000

    /// `month` and `day` count from 1.
    package init(
        _ year: Int, _ month: Int = 1, _ day: Int = 1, _ hour: Int = 0, _ minute: Int = 0, microsecond: Int = 0
    ) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.microsecond = microsecond
    }

    /// - Parameter microseconds: since 1970-01-01 00:00; every day counts 24 hours
    package init(microseconds: Int) {
        let days = Self.floor(microseconds, Self.microsecondsPerDay)
        let rest = microseconds - days * Self.microsecondsPerDay
        (year, month, day) = Self.date(ofDay: days)
        hour = rest / (60 * Self.microsecondsPerMinute)
        minute = rest / Self.microsecondsPerMinute % 60
        microsecond = rest % Self.microsecondsPerMinute
    }

    /// Microseconds since 1970-01-01 00:00.
    package var microseconds: Int {
        dayNumber * Self.microsecondsPerDay + (hour * 60 + minute) * Self.microsecondsPerMinute + microsecond
    }

    /// Day of the week; 0 is Monday.
    package var weekday: Int {
        // 1970-01-01 was a Thursday.
        let days = dayNumber + 3
        return days - Self.floor(days, 7) * 7
    }

    package var minuteOfDay: Int { hour * 60 + minute }

    /// Days since 1970-01-01.
    package var dayNumber: Int { Self.dayNumber(year, month, day) }

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    static func daysInMonth(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Returns days since 1970-01-01: `days_from_civil` in Howard Hinnant's “chrono-Compatible Low-Level Date Algorithms”.
    static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = floor(year, 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Returns the date of a day: `civil_from_days` in the same source.
    private static func date(ofDay number: Int) -> (Int, Int, Int) {
        let days = number + 719_468
        let era = floor(days, 146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// Divides, rounding toward negative infinity.
    static func floor(_ number: Int, _ divisor: Int) -> Int {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
