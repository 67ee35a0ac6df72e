import FoundationEssentials

extension CalendarExpression {
    /// Returns the first elapse after `date`, or nil if there is none before the year 2200.
    /// - Parameter local: the time zone of an expression that names none
    package func next(after date: Date, local: TimeZoneRules) -> Date? {
        let instant = Int((date.timeIntervalSince1970 * 1_000_000).rounded(.down))
        return next(after: instant, local: local).map { Date(timeIntervalSince1970: Double($0) / 1_000_000) }
    }

    /// Returns the first elapse after `instant`, both in microseconds since 1970.
    ///
    /// As in systemd, the expression matches local time: a time that is skipped when clocks are put forward does not occur,
    /// and an hour that is repeated when they are put back occurs once, unless `instant` lies within it.
    package func next(after instant: Int, local: TimeZoneRules) -> Int? {
        let zone = zone ?? local
        var from = zone.civil(at: instant + 1)
        while let match = firstMatch(from: from) {
            if let found = zone.instants(of: match).first(where: { $0 > instant }) { return found }
            from = zone.endOfGap(at: match)
        }
        return nil
    }

    /// Returns the first matching time at or after `from`, ignoring time zones.
    func firstMatch(from: CivilTime) -> CivilTime? {
        var time = from
        while true {
            guard let year = year.first(from: time.year, limit: Self.years.upperBound) else { return nil }
            if year > time.year { time = CivilTime(year) }

            guard let month = month.first(from: time.month, limit: 12) else {
                time = CivilTime(time.year + 1)
                continue
            }
            if month > time.month { time = CivilTime(time.year, month) }

            guard let day = firstDay(from: time) else {
                time = CivilTime(time.year, time.month + 1)
                continue
            }
            if day > time.day { time = CivilTime(time.year, time.month, day) }

            guard let hour = hour.first(from: time.hour, limit: 23) else {
                time = CivilTime(time.year, time.month, time.day + 1)
                continue
            }
            if hour > time.hour { time = CivilTime(time.year, time.month, time.day, hour) }

            guard let minute = minute.first(from: time.minute, limit: 59) else {
                time = CivilTime(time.year, time.month, time.day, time.hour + 1)
                continue
            }
            if minute > time.minute { time = CivilTime(time.year, time.month, time.day, time.hour, minute) }

            let last = Self.microseconds.upperBound
            if let microsecond = microsecond.first(from: time.microsecond, limit: last) {
                time.microsecond = microsecond
                return time
            }
            time = CivilTime(time.year, time.month, time.day, time.hour, time.minute + 1)
        }
    }

    /// Returns the first matching day of the month at or after `time`'s, on a matching weekday.
    private func firstDay(from time: CivilTime) -> Int? {
        let last = CivilTime.daysInMonth(time.year, time.month)
        let field = countsFromMonthEnd ? day.fromEnd(of: last) : day
        var least = time.day
        while let day = field.first(from: least, limit: last) {
            if weekdays?.contains(CivilTime(time.year, time.month, day).weekday) ?? true { return day }
            least = day + 1
        }
        return nil
    }
}

extension CalendarExpression.Field {
    /// Converts days counted from the end of a month of `last` days to days counted from its beginning.
    fileprivate func fromEnd(of last: Int) -> Self {
        Self(
            elements: elements.map { element in
                let start = last + 1 - element.start
                guard let stop = element.stop else { return .init(start: start, step: element.step) }
                // As in systemd's `find_end_of_month`: the range is reversed, the steps still go forward.
                return .init(start: last + 1 - stop, stop: start, step: element.step)
            })
    }
}
