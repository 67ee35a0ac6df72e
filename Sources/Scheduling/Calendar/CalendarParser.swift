/// Describes to a user why a calendar expression or a window cannot be parsed.
package struct CalendarError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }
}

extension CalendarExpression {
    /// Parses an expression.
    /// - Parameter zone: returns the time zone of a name
    package init(
        _ text: String, zone: (String) -> TimeZoneRules? = TimeZoneRules.named
    ) throws(CalendarError) {
        var text = text
        var unknownZone: String?
        if let space = text.lastIndex(of: " ") {
            let word = String(text[text.index(after: space)...])
            if let named = word.lowercased() == "utc" ? .utc : zone(word) {
                self.zone = named
                text = String(text[..<space])
            } else if let first = word.first, first.isLetter {
                unknownZone = word
            }
        }
        do {
            try read(text)
        } catch {
            guard let unknownZone else { throw error }
            throw CalendarError("‘\(unknownZone)’ is not a time zone in the system’s database, or \(error)")
        }
        normalize()
        try check()
    }

    private mutating func read(_ text: String) throws(CalendarError) {
        guard !text.isEmpty else { throw CalendarError("the expression is empty") }
        (hour, minute, microsecond) = (Field(0), Field(0), Field(0))
        switch text.lowercased() {
        case "minutely": (hour, minute) = (Field(), Field())
        case "hourly": hour = Field()
        case "daily": break
        case "weekly": weekdays = .monday
        case "monthly": day = Field(1)
        case "quarterly": (month, day) = (Field(1, 4, 7, 10), Field(1))
        case "semiannually", "semi-annually", "biannually", "bi-annually": (month, day) = (Field(1, 7), Field(1))
        case "yearly", "annually", "anually": (month, day) = (Field(1), Field(1))
        default:
            var reader = CalendarReader(text)
            weekdays = try reader.weekdays()
            if !(try reader.date(into: &self)) { try reader.time(into: &self) }
        }
    }

    private mutating func normalize() {
        if weekdays?.isAll ?? false { weekdays = nil }
        if day.elements.isEmpty { countsFromMonthEnd = false }
        for index in year.elements.indices {
            year.elements[index].start = Self.century(year.elements[index].start)
            year.elements[index].stop = year.elements[index].stop.map(Self.century)
        }
        for field in [\Self.year, \.month, \.day, \.hour, \.minute, \.microsecond] { self[keyPath: field].normalize() }
    }

    /// Expands a two-digit year: 12 means 2012, 89 means 1989.
    private static func century(_ year: Int) -> Int {
        switch year {
        case ..<70: year + 2000
        case ..<100: year + 1900
        default: year
        }
    }

    private func check() throws(CalendarError) {
        try check(year, "year", Self.years)
        try check(month, "month", 1...12)
        // Like systemd, refuses days more than 28 from the end, which not every month has.
        try check(day, countsFromMonthEnd ? "day from the month’s end" : "day", 1...(countsFromMonthEnd ? 28 : 31))
        try check(hour, "hour", 0...23)
        try check(minute, "minute", 0...59)
        try check(microsecond, "second", Self.microseconds)
    }

    /// Checks a field as systemd's `chain_valid` does.
    private func check(_ field: Field, _ name: String, _ range: ClosedRange<Int>) throws(CalendarError) {
        let unit = range == Self.microseconds ? Self.second : 1
        for element in field.elements {
            for value in [element.start, element.stop ?? element.start] where !range.contains(value) {
                let shown = value % unit == 0 ? "\(value / unit)" : "\(Double(value) / Double(unit))"
                throw CalendarError(
                    "\(name) \(shown) is not between \(range.lowerBound) and \(range.upperBound / unit)")
            }
            let reachesBack = countsFromMonthEnd && field == day && element.stop == nil
            let isReached =
                reachesBack
                ? element.start - element.step >= range.lowerBound
                : element.start + element.step <= element.stop ?? range.upperBound
            guard isReached, element.step <= range.upperBound - range.lowerBound else {
                throw CalendarError(
                    element.stop.map { $0 < element.start } ?? false
                        ? "the range of \(name)s ends before it starts" : "the repetition of the \(name) never occurs")
            }
        }
    }
}

extension Weekdays {
    static let monday = {
        var monday = Weekdays()
        monday.insert(0...0)
        return monday
    }()
}
