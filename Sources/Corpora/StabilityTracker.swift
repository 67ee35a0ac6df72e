/// Decides which files in the inbox have been unchanged for long enough. A pure value type: observations are passed in
/// together with the time, and the files that are ready are returned.
package struct StabilityTracker {
    package typealias Time = ContinuousClock.Instant

    private struct Candidate {
        var signature: FileSignature
        /// Nil while the file is open for writing.
        var dueAt: Time?
    }

    /// A path and the time when it became or becomes due.
    private struct Due: Comparable {
        var at: Time
        var path: String

        static func < (a: Due, b: Due) -> Bool { a.at != b.at ? a.at < b.at : a.path < b.path }
    }

    /// The files of one owner.
    private struct Lane {
        var count = 0
        /// Every due time that was set, so that it may contain earlier ones of a file, and files that are gone.
        var due = MinHeap<Due>()
    }

    /// The first due file of an owner.
    private struct Next: Comparable {
        var due: Due
        var owner: UInt32

        static func < (a: Next, b: Next) -> Bool { a.due < b.due }
    }

    /// Number of outdated due times of an owner beyond one for each file, from which on they are removed.
    private static let mostOutdated = 64
    /// Factor applied to `stable` for a file whose writer could not be observed.
    private static let unseenFactor = 10

    private let stable: Duration
    private let most: Int
    private let mostOfOneOwner: Int
    private var candidates: [String: Candidate] = [:]
    private var lanes: [UInt32: Lane] = [:]
    /// No file is due before this time; nil if none is due without a further observation.
    private var earliest: Time?

    /// Whether a rescan is needed, for example to find files again that were dropped because the limit was reached.
    package var needsScan = false
    /// Number of files that were dropped because the limit was reached, since the last scan began.
    package private(set) var missedCount = 0

    /// - Parameter most: maximum number of files tracked at a time; a single owner may use at most half of them
    package init(stable: Duration, most: Int = .max) {
        self.stable = stable
        mostOfOneOwner = max(1, most / 2)
        self.most = most
    }

    /// Number of files that have been seen but not yet returned by `take`.
    package var count: Int { candidates.count }

    /// Number of due times in memory, including outdated ones.
    package var dueTimeCount: Int { lanes.values.reduce(0) { $0 + $1.due.count } }

    /// Whether one more file of this owner can be tracked.
    package func hasRoom(for owner: UInt32) -> Bool {
        count < most && lanes[owner]?.count ?? 0 < mostOfOneOwner
    }

    /// Whether the file is tracked with this signature and has a due time.
    package func awaits(_ path: String, _ signature: FileSignature) -> Bool {
        candidates[path].map { $0.signature == signature && $0.dueAt != nil } ?? false
    }

    /// Notes that a file is not tracked because the limit was reached.
    package mutating func miss() {
        needsScan = true
        missedCount += 1
    }

    /// Called before a scan, which finds the files that were missed.
    package mutating func beginScan() {
        needsScan = false
        missedCount = 0
    }

    private mutating func note(_ path: String, _ signature: FileSignature, dueAt: Time?) {
        remove(path)
        guard hasRoom(for: signature.owner) else {
            // A file that is open for writing is reported again when it is closed.
            if dueAt != nil { miss() }
            return
        }
        candidates[path] = Candidate(signature: signature, dueAt: dueAt)
        let owner = signature.owner
        lanes[owner, default: Lane()].count += 1
        guard let dueAt else { return }
        earliest = min(dueAt, earliest ?? dueAt)
        lanes[owner]?.due.insert(Due(at: dueAt, path: path))
        removeOutdated(of: owner)
    }

    private mutating func remove(_ path: String) {
        guard let owner = candidates.removeValue(forKey: path)?.signature.owner else { return }
        lanes[owner]?.count -= 1
        if lanes[owner]?.count == 0 { lanes[owner] = nil }
        if candidates.isEmpty { earliest = nil }
    }

    private func isCurrent(_ due: Due, of owner: UInt32) -> Bool {
        candidates[due.path].map { $0.dueAt == due.at && $0.signature.owner == owner } ?? false
    }

    /// Bounds the memory that a file uses which changes again and again.
    private mutating func removeOutdated(of owner: UInt32) {
        guard let lane = lanes[owner], lane.due.count > 2 * lane.count + Self.mostOutdated else { return }
        var seen: Set<String> = []
        let current = lane.due.elements.filter { isCurrent($0, of: owner) && seen.insert($0.path).inserted }
        lanes[owner]?.due = MinHeap(current)
    }

    private mutating func firstDue(of owner: UInt32) -> Due? {
        while let first = lanes[owner]?.due.first {
            if isCurrent(first, of: owner) { return first }
            _ = lanes[owner]?.due.popFirst()
        }
        return nil
    }

    /// Registers a file that was closed or moved in, or is known not to be open for writing.
    /// - Parameter age: how long the file is known to be unchanged; negative if the clock was changed
    package mutating func settled(_ path: String, _ signature: FileSignature, age: Duration = .zero, now: Time) {
        note(path, signature, dueAt: now + max(.zero, stable - max(.zero, age)))
    }

    /// Registers a file that was found by a scan, for which it is unknown whether a writer still has it open. It
    /// becomes due after a longer quiet period, counted from its last change.
    /// - Parameter age: time since the last modification; negative if the clock was changed
    package mutating func found(_ path: String, _ signature: FileSignature, age: Duration, now: Time) {
        let quiet = stable * Self.unseenFactor
        note(path, signature, dueAt: now + max(stable, quiet - max(.zero, age)))
    }

    /// Registers a file that is being written. It becomes due only after it was closed.
    package mutating func written(_ path: String, _ signature: FileSignature) {
        note(path, signature, dueAt: nil)
    }

    /// Schedules a file that could not be processed now for `delay` from now, unless a newer observation exists.
    package mutating func reschedule(_ path: String, _ signature: FileSignature, delay: Duration, now: Time) {
        guard candidates[path] == nil else { return }
        note(path, signature, dueAt: now + delay)
    }

    package mutating func gone(_ path: String) { remove(path) }

    /// Removes all files of a directory that was deleted or moved away.
    package mutating func folderGone(_ path: String) {
        for inner in candidates.keys where inner.hasPrefix(path + "/") { remove(inner) }
    }

    /// Forgets all tracked files. The caller rescans afterwards.
    package mutating func reset() {
        candidates.removeAll()
        lanes.removeAll()
        earliest = nil
        beginScan()
    }

    /// The time of the next call to `take`, or nil if nothing is due without a further observation.
    package var nextDue: Time? { earliest }

    /// Removes and returns the files that are due and unchanged, the oldest first. Files that have changed start waiting
    /// again. The cost does not depend on the number of files that stay.
    /// - Parameters:
    ///   - most: maximum number of files to check; the others stay due
    ///   - room: returns the number of files of an owner to check at most
    ///   - look: returns the current signature of a file, or nil if it no longer exists
    package mutating func take(
        now: Time, most: Int = .max, room: (_ owner: UInt32) -> Int = { _ in .max }, look: (String) -> FileSignature?
    ) -> [(path: String, signature: FileSignature)] {
        var left: [UInt32: Int] = [:]
        var next = MinHeap<Next>()
        func addNext(of owner: UInt32) {
            guard let due = firstDue(of: owner), due.at <= now else { return }
            next.insert(Next(due: due, owner: owner))
        }
        for owner in lanes.keys {
            left[owner] = room(owner)
            if left[owner, default: 0] > 0 { addNext(of: owner) }
        }
        var checked = 0
        var taken: [(path: String, signature: FileSignature)] = []
        var changed: [(path: String, signature: FileSignature)] = []
        while checked < most, let (due, owner) = next.popFirst().map({ ($0.due, $0.owner) }) {
            checked += 1
            left[owner, default: 0] -= 1
            let known = candidates[due.path]?.signature
            remove(due.path)
            let signature = look(due.path)
            if let signature, signature == known {
                taken.append((due.path, signature))
            } else if let signature {
                changed.append((due.path, signature))
            }
            if left[owner, default: 0] > 0 { addNext(of: owner) }
        }
        for (path, signature) in changed { settled(path, signature, now: now) }
        earliest = nil
        for owner in lanes.keys {
            if let first = firstDue(of: owner)?.at { earliest = min(first, earliest ?? first) }
        }
        return taken
    }
}
