/// Reads the parts of a calendar expression from left to right, like systemd's `parse_weekdays`, `parse_date` and
/// `parse_calendar_time`.
struct CalendarReader {
    private(set) var rest: Substring.UTF8View

    /// The maximum number of elements in one list.
    private static let maximumElements = 240

    init(_ text: some StringProtocol) { rest = Substring(text).utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    private var restText: String { isAtEnd ? "the end" : "‘\(String(Substring(rest)))’" }

    /// Returns whether the next character is one of these, without consuming it.
    private func isNext(_ characters: Character...) -> Bool {
        characters.contains { $0.asciiValue == rest.first }
    }

    mutating func take(_ text: String) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest = rest.dropFirst(text.utf8.count)
        return true
    }

    private mutating func skipSpaces() { rest = rest.drop { $0 == UInt8(ascii: " ") } }

    // MARK: Weekdays

    /// Reads weekdays such as `Mon`, `Mon,Wed` or `Mon..Fri`; nil if none are named.
    mutating func weekdays() throws(CalendarError) -> Weekdays? {
        var weekdays: Weekdays?
        var rangeBegins: Int?
        while true {
            guard let weekday = try weekday() else {
                guard weekdays == nil else { throw CalendarError("expected a weekday at \(restText)") }
                return nil
            }
            guard rangeBegins ?? 0 <= weekday else {
                throw CalendarError("a range of weekdays ends before it starts: the week starts on Monday")
            }
            weekdays = weekdays ?? Weekdays()
            weekdays?.insert((rangeBegins ?? weekday)...weekday)
            let isRange = take("..") || take("-")
            guard !isRange || rangeBegins == nil else { throw CalendarError("a range of weekdays has two ends") }
            rangeBegins = isRange ? weekday : nil
            if !isRange { _ = take(",") }
            guard isAtEnd || isNext(" ") else { continue }
            guard !isRange else { throw CalendarError("a range of weekdays has no end") }
            skipSpaces()
            return weekdays
        }
    }

    private mutating func weekday() throws(CalendarError) -> Int? {
        let letters = rest.prefix { (0x41...0x5a).contains($0 & ~0x20) }
        guard !letters.isEmpty else { return nil }
        let word = String(Substring(letters)).lowercased()
        let long = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        guard let weekday = long.firstIndex(where: { $0 == word || $0.prefix(3) == word }) else {
            throw CalendarError("‘\(String(Substring(letters)))’ is neither a weekday nor a keyword such as daily")
        }
        rest = rest[letters.endIndex...]
        guard isAtEnd || isNext("-", ".", ",", " "), !isNext(".") || rest.starts(with: "..".utf8) else {
            throw CalendarError("unexpected \(restText) after ‘\(String(Substring(letters)))’")
        }
        return weekday
    }

    // MARK: Date

    /// Reads a date such as `2026-11-25`, `11-25`, `*-*~1` or `@1764028800`; consumes nothing if a time follows.
    /// - Returns: whether the time was given as well
    mutating func date(into expression: inout CalendarExpression) throws(CalendarError) -> Bool {
        if isAtEnd { return false }
        if take("@") {
            try moment(into: &expression)
            return true
        }
        let start = rest
        let first = try field()
        if isAtEnd || isNext(":") {
            rest = start
            return false
        }
        var isFromEnd = try dateSeparator()
        let second = try field()
        if isAtEnd || isNext(" ") {
            (expression.month, expression.day) = (first, second)
        } else {
            guard !isFromEnd else { throw CalendarError("only a time can follow the day after ‘~’") }
            isFromEnd = try dateSeparator()
            let third = try field()
            guard isAtEnd || isNext(" ") else { throw CalendarError("unexpected \(restText) after the date") }
            (expression.year, expression.month, expression.day) = (first, second, third)
        }
        expression.countsFromMonthEnd = isFromEnd
        skipSpaces()
        return false
    }

    private mutating func dateSeparator() throws(CalendarError) -> Bool {
        if take("~") { return true }
        guard take("-") else { throw CalendarError("expected ‘-’, ‘~’ or ‘:’ at \(restText)") }
        return false
    }

    /// Reads a number of seconds since 1970.
    private mutating func moment(into expression: inout CalendarExpression) throws(CalendarError) {
        let seconds = try number(upTo: Int(Int32.max) * 4)
        guard isAtEnd else { throw CalendarError("unexpected \(restText) after the seconds since 1970") }
        let time = CivilTime(microseconds: seconds * 1_000_000)
        expression.year = .init(time.year)
        expression.month = .init(time.month)
        expression.day = .init(time.day)
        expression.hour = .init(time.hour)
        expression.minute = .init(time.minute)
        expression.microsecond = .init(time.microsecond)
        expression.zone = .utc
    }

    // MARK: Time

    /// Reads a time such as `22:00`, `*:0/10` or `12:30:15.5`; an empty one means midnight.
    mutating func time(into expression: inout CalendarExpression) throws(CalendarError) {
        if isAtEnd { return }
        expression.hour = try field()
        guard take(":") else { throw CalendarError("expected ‘:’ after the hour at \(restText)") }
        expression.minute = try field()
        if isAtEnd { return }
        guard take(":") else { throw CalendarError("expected ‘:’ or the end after the minute at \(restText)") }
        expression.microsecond = try field(unit: CalendarExpression.second)
        guard isAtEnd else { throw CalendarError("unexpected \(restText) after the seconds") }
    }

    // MARK: Fields

    /// Reads `*`, or values, ranges and repetitions separated by commas.
    /// - Parameter unit: the value of 1 in the text; fractions are allowed if it is greater than 1
    private mutating func field(unit: Int = 1) throws(CalendarError) -> CalendarExpression.Field {
        if take("*") {
            guard !isNext("/") else {
                throw CalendarError("‘*/’ is not allowed: a repetition starts at a number, as in 0/10")
            }
            return .init(elements: unit > 1 ? [.init(start: 0, step: unit)] : [])
        }
        var elements: [CalendarExpression.Element] = []
        repeat {
            guard elements.count <= Self.maximumElements else {
                throw CalendarError("more than \(Self.maximumElements) values in one list")
            }
            elements.append(try element(unit))
        } while take(",")
        return .init(elements: elements)
    }

    private mutating func element(_ unit: Int) throws(CalendarError) -> CalendarExpression.Element {
        var element = CalendarExpression.Element(start: try value(unit))
        if take("..") {
            element.stop = try value(unit)
            element.step = unit
        }
        if take("/") {
            element.step = try value(unit)
            guard element.step > 0 else { throw CalendarError("a repetition cannot be 0") }
        } else if unit > 1, let stop = element.stop, element.start + element.step > stop {
            throw CalendarError("a range of seconds is shorter than one second and has no ‘/’")
        }
        guard isAtEnd || isNext(" ", ",", "-", "~", ":") else { throw CalendarError("unexpected \(restText)") }
        return element
    }

    private mutating func value(_ unit: Int) throws(CalendarError) -> Int {
        let whole = try number(upTo: Int(Int32.max) / unit)
        // One point starts a fraction, two points a range.
        guard unit > 1, isNext("."), !rest.starts(with: "..".utf8) else { return whole * unit }
        rest = rest.dropFirst()
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { throw CalendarError("expected digits at \(restText)") }
        rest = rest[digits.endIndex...]
        let fraction = String(Substring(digits.prefix(6)))
        let padded = fraction + String(repeating: "0", count: 6 - fraction.count)
        // Rounds half up at the seventh digit.
        let roundsUp = (digits.dropFirst(6).first ?? 0) >= UInt8(ascii: "5")
        return whole * unit + (Int(padded) ?? 0) + (roundsUp ? 1 : 0)
    }

    mutating func number(upTo most: Int) throws(CalendarError) -> Int {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else {
            throw CalendarError(isAtEnd ? "unexpected end" : "expected a number at \(restText)")
        }
        guard let number = Int(Substring(digits)), number <= most else {
            throw CalendarError("\(String(Substring(digits))) is too large")
        }
        rest = rest[digits.endIndex...]
        return number
    }
}
