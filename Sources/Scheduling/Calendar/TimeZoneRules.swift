/// How far the clocks of a place are from UTC, and when.
///
/// Read from the system's own database as `tzfile(5)` describes it, so that the service and systemd agree. The C library
/// knows one zone a process, and that one in global variables; Foundation brings a database of its own, which ages
/// differently from the system's.
package struct TimeZoneRules: Sendable, Equatable {
    /// As in `Europe/Berlin`; empty where nobody named it.
    package var name: String
    /// Before the first change.
    var earliestOffset: Int
    /// Seconds since 1970 in UTC, ascending, and what is to be added to UTC from then on, in seconds.
    var changes: [Change]
    /// After the last change; nil: it stays as it is.
    var rule: PosixTimeZone?

    struct Change: Sendable, Equatable {
        var time: Int
        var offset: Int
    }

    package static let utc = TimeZoneRules(name: "UTC", earliestOffset: 0, changes: [], rule: nil)

    /// Seconds to be added to UTC.
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

    /// What the clocks show.
    /// - Parameter instant: microseconds since 1970 in UTC
    package func civil(at instant: Int) -> CivilTime {
        CivilTime(microseconds: instant + offset(atMicrosecond: instant) * 1_000_000)
    }

    /// When the clocks show `civil`, in microseconds since 1970: once, or never where they are put forward over it, or twice
    /// where they are put back over it. Ascending.
    func instants(of civil: CivilTime) -> [Int] {
        let shown = civil.microseconds
        // No place is further than this from UTC, and no clocks are changed twice in so short a time.
        let offsets = Set(
            [-CivilTime.microsecondsPerDay, CivilTime.microsecondsPerDay].map { offset(atMicrosecond: shown + $0) })
        return offsets.map { shown - $0 * 1_000_000 }.filter { self.civil(at: $0) == civil }.sorted()
    }

    /// The first thing the clocks show after having been put forward over `civil`.
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
