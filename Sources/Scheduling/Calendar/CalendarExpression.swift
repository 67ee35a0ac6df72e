/// A recurring time in systemd's calendar syntax: `Mon..Fri 22:00`, `*-*~1 03:00 Europe/Berlin`, `weekly`.
///
/// Follows systemd.time(7) and systemd's `calendarspec.c`, with one difference: abbreviations of the local time zone
/// (`CET`) are not recognized; a time zone is named as in the system's database, or `UTC`.
package struct CalendarExpression: Sendable, Equatable {
    /// nil means any weekday.
    var weekdays: Weekdays?
    var year = Field()
    var month = Field()
    var day = Field()
    /// Whether days are counted from the end of the month, whose last day is 1.
    var countsFromMonthEnd = false
    var hour = Field()
    var minute = Field()
    /// Microseconds of the minute.
    var microsecond = Field()
    /// nil means the local time zone.
    var zone: TimeZoneRules?

    /// A value (`5`), a value and every `step`th after it (`5/10`), or those up to `stop` (`5..25/10`).
    struct Element: Sendable, Hashable, Comparable {
        var start: Int
        var stop: Int?
        /// 0 means only `start`.
        var step = 0

        static func < (left: Element, right: Element) -> Bool {
            (left.start, left.stop ?? -1, left.step) < (right.start, right.stop ?? -1, right.step)
        }

        /// Returns the smallest matching value from `least` to `limit`.
        func first(from least: Int, limit: Int) -> Int? {
            guard start < least else { return start <= limit ? start : nil }
            guard step > 0 else { return nil }
            let value = start + (least - start + step - 1) / step * step
            return value <= min(stop ?? limit, limit) ? value : nil
        }
    }

    /// One component of a date or time.
    struct Field: Sendable, Equatable {
        /// Empty means any value.
        var elements: [Element] = []

        init(_ values: Int...) { elements = values.map { Element(start: $0) } }

        init(elements: [Element]) { self.elements = elements }

        /// Returns the smallest matching value from `least` to `limit`.
        func first(from least: Int, limit: Int) -> Int? {
            if elements.isEmpty { return least <= limit ? least : nil }
            return elements.compactMap { $0.first(from: least, limit: limit) }.min()
        }

        /// Sorts the elements, removes duplicates, and lowers each end of a range to the last value that its steps reach.
        mutating func normalize() {
            for index in elements.indices {
                let element = elements[index]
                guard let stop = element.stop else { continue }
                if stop > element.start, element.step > 0 {
                    elements[index].stop = stop - (stop - element.start) % element.step
                }
                if elements[index].stop == element.start { elements[index] = Element(start: element.start) }
            }
            elements = Set(elements).sorted()
        }
    }

    static let years = 1970...2199
    static let microseconds = 0...(CivilTime.microsecondsPerMinute - 1)
    static let second = 1_000_000
}

/// A set of weekdays.
struct Weekdays: Sendable, Equatable {
    /// Bit 0 is Monday.
    private var bits: UInt8 = 0

    static let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

    var isAll: Bool { bits == 127 }

    func contains(_ weekday: Int) -> Bool { bits & 1 << weekday != 0 }

    mutating func insert(_ weekdays: ClosedRange<Int>) {
        for weekday in weekdays { bits |= 1 << weekday }
    }

    /// `Mon,Wed..Fri`
    var text: String {
        var parts: [String] = []
        var weekday = 0
        while weekday < 7 {
            guard contains(weekday) else {
                weekday += 1
                continue
            }
            let last = (weekday...6).prefix { contains($0) }.last ?? weekday
            switch last - weekday {
            case 0: parts.append(Self.names[weekday])
            case 1: parts += [Self.names[weekday], Self.names[last]]
            default: parts.append("\(Self.names[weekday])..\(Self.names[last])")
            }
            weekday = last + 1
        }
        return parts.joined(separator: ",")
    }
}

extension CalendarExpression: CustomStringConvertible {
    /// The normalized form, as systemd prints it.
    package var description: String {
        let date = "\(text(year, width: 4))-\(text(month))\(countsFromMonthEnd ? "~" : "-")\(text(day))"
        let time = "\(text(hour)):\(text(minute)):\(text(microsecond, unit: Self.second))"
        return [weekdays?.text, date, time, zone?.name].compactMap(\.self).joined(separator: " ")
    }

    private func text(_ field: Field, width: Int = 2, unit: Int = 1) -> String {
        let isAny = unit > 1 && field.elements.contains(Element(start: 0, step: unit))
        guard !field.elements.isEmpty, !isAny else { return "*" }
        func number(_ value: Int, _ width: Int) -> String {
            func padded(_ value: Int, _ width: Int) -> String {
                String(repeating: "0", count: max(0, width - String(value).count)) + String(value)
            }
            return padded(value / unit, width) + (value % unit > 0 ? "." + padded(value % unit, 6) : "")
        }
        return field.elements.map { element in
            var text = number(element.start, width)
            if let stop = element.stop { text += "..\(number(stop, width))" }
            let isUsual = element.stop != nil && element.step == unit
            return element.step > 0 && !isUsual ? text + "/\(number(element.step, 1))" : text
        }.joined(separator: ",")
    }
}
