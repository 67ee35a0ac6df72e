/// A POSIX `TZ` rule such as `CET-1CEST,M3.5.0,M10.5.0/3`, with the extended range of hours that `tzfile(5)` allows.
struct PosixTimeZone: Sendable, Equatable {
    /// Offset from UTC in seconds.
    private var standard: Int
    private var daylightRule: DaylightRule?

    private struct DaylightRule: Sendable, Equatable {
        var offset: Int
        var begins: Day
        var ends: Day
    }

    /// A day of any year, and seconds after its start in the local time in effect before the change.
    private struct Day: Sendable, Equatable {
        enum Form: Sendable, Equatable {
            /// Counts from 1; February 29 is never counted.
            case withoutLeapDay(Int)
            /// Counts from 0, including February 29.
            case withLeapDay(Int)
            /// The `week`th such weekday (0 is Sunday) of a month, or the last one if `week` is 5.
            case weekday(month: Int, week: Int, weekday: Int)
        }

        var form: Form
        var seconds: Int

        /// Returns seconds since 1970 in the local time in effect before the change.
        func seconds(in year: Int) -> Int {
            let day: Int
            switch form {
            case .withoutLeapDay(let number):
                day = CivilTime.dayNumber(year, 1, 1) + number - (CivilTime.isLeap(year) && number >= 60 ? 0 : 1)
            case .withLeapDay(let number): day = CivilTime.dayNumber(year, 1, 1) + number
            case .weekday(let month, let week, let weekday):
                let first = CivilTime(year, month)
                let offset = (weekday - (first.weekday + 1) % 7 + 7) % 7
                let last = CivilTime.daysInMonth(year, month) - 1
                let number = offset + 7 * (week - 1)
                day = first.dayNumber + (number > last ? number - 7 : number)
            }
            return day * 86_400 + seconds
        }
    }

    /// Returns the offset from UTC in seconds.
    /// - Parameter time: seconds since 1970 in UTC
    func offset(at time: Int) -> Int {
        guard let daylightRule else { return standard }
        let year = CivilTime(microseconds: (time + standard) * 1_000_000).year
        let begins = daylightRule.begins.seconds(in: year) - standard
        let ends = daylightRule.ends.seconds(in: year) - daylightRule.offset
        let isSummer = begins < ends ? begins <= time && time < ends : !(ends <= time && time < begins)
        return isSummer ? daylightRule.offset : standard
    }

    /// Returns nil if `text` is not such a rule.
    init?(_ text: some StringProtocol) {
        var reader = Reader(rest: Array(text.utf8)[...])
        guard reader.name(), let standard = reader.time() else { return nil }
        self.standard = -standard
        guard !reader.rest.isEmpty else { return }
        guard reader.name() else { return nil }
        var offset = self.standard + 3600
        if let next = reader.rest.first, next != UInt8(ascii: ",") {
            guard let west = reader.time() else { return nil }
            offset = -west
        }
        guard let begins = reader.day(), let ends = reader.day(), reader.rest.isEmpty else { return nil }
        daylightRule = DaylightRule(offset: offset, begins: begins, ends: ends)
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func take(_ character: Character) -> Bool {
            guard let byte = rest.first, byte == character.asciiValue else { return false }
            rest.removeFirst()
            return true
        }

        /// Reads a name: three letters or more, or any text in angle brackets.
        mutating func name() -> Bool {
            if take("<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[(end + 1)...]
                return true
            }
            let letters = rest.prefix { (0x41...0x5a).contains($0 & ~0x20) }
            rest = rest[letters.endIndex...]
            return letters.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int>) -> Int? {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest[digits.endIndex...]
            return Int(String(decoding: digits, as: UTF8.self)).flatMap { range.contains($0) ? $0 : nil }
        }

        /// Reads `[+-]hh[:mm[:ss]]`, in seconds.
        mutating func time() -> Int? {
            let sign = take("-") ? -1 : 1
            if sign == 1 { _ = take("+") }
            guard var seconds = number(0...167).map({ $0 * 3600 }) else { return nil }
            for unit in [60, 1] where take(":") {
                guard let part = number(0...59) else { return nil }
                seconds += part * unit
            }
            return sign * seconds
        }

        mutating func day() -> Day? {
            guard take(","), let form = form() else { return nil }
            guard take("/") else { return Day(form: form, seconds: 7200) }
            return time().map { Day(form: form, seconds: $0) }
        }

        private mutating func form() -> Day.Form? {
            if take("J") { return number(1...365).map(Day.Form.withoutLeapDay) }
            guard take("M") else { return number(0...365).map(Day.Form.withLeapDay) }
            guard let month = number(1...12), take("."), let week = number(1...5), take("."),
                let weekday = number(0...6)
            else { return nil }
            return .weekday(month: month, week: week, weekday: weekday)
        }
    }
}
