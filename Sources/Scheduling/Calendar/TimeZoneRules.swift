/// A time zone: its offsets from UTC over time.
///
/// Read from the system's database (`tzfile(5)`), so that the service and systemd agree. The C library supports one time
/// zone per process, in global variables; Foundation has a database of its own, which may be older or newer.
package struct TimeZoneRules: Sendable, Equatable {
    /// A name such as `Europe/Berlin`; empty for the local time zone.
    package var name: String
    /// The offset before the first change.
    var earliestOffset: Int
    /// The changes of the offset, in ascending order.
    var changes: [Change]
    /// The rule after the last change; nil if the offset no longer changes.
    var rule: PosixTimeZone?

    struct Change: Sendable, Equatable {
        /// Seconds since 1970 in UTC.
        var time: Int
        /// The offset from UTC after the change, in seconds.
        var offset: Int
    }

    package static let utc = TimeZoneRules(name: "UTC", earliestOffset: 0, changes: [], rule: nil)

    /// Returns the offset from UTC in seconds.
    /// - Parameter time: seconds since 1970 in UTC
    package func offset(at time: Int) -> Int {
        guard let last = changes.last, time < last.time else {
            return rule?.offset(at: time) ?? changes.last?.offset ?? earliestOffset
        }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? earliestOffset : changes[low - 1].offset
    }

    /// Returns the local time.
    /// - Parameter instant: microseconds since 1970 in UTC
    package func civil(at instant: Int) -> CivilTime {
        CivilTime(microseconds: instant + offset(atMicrosecond: instant) * 1_000_000)
    }

    /// Returns when the local time is `civil`, in microseconds since 1970 and ascending order: one instant, or none if clocks
    /// are put forward past it, or two if they are put back past it.
    func instants(of civil: CivilTime) -> [Int] {
        let shown = civil.microseconds
        // No offset exceeds a day, and no offset changes twice within two days.
        let offsets = Set(
            [-CivilTime.microsecondsPerDay, CivilTime.microsecondsPerDay].map { offset(atMicrosecond: shown + $0) })
        return offsets.map { shown - $0 * 1_000_000 }.filter { self.civil(at: $0) == civil }.sorted()
    }

    /// Returns the first local time after the gap in which `civil` lies.
    func endOfGap(at civil: CivilTime) -> CivilTime {
        let shown = CivilTime.floor(civil.microseconds, 1_000_000)
        var (before, after) = (shown - 86_400, shown + 86_400)
        let old = offset(at: before)
        while after - before > 1 {
            let middle = before + (after - before) / 2
            if offset(at: middle) == old { before = middle } else { after = middle }
        }
        return CivilTime(microseconds: (after + offset(at: after)) * 1_000_000)
    }

    private func offset(atMicrosecond instant: Int) -> Int { offset(at: CivilTime.floor(instant, 1_000_000)) }
}
