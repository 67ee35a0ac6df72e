/// Decides which files in the inbox have been unchanged for long enough. A pure value type: observations are passed in
/// together with the time, and the files that are ready are returned.
package struct StabilityTracker {
    package typealias Time = ContinuousClock.Instant

    private struct Candidate {
        var signature: FileSignature
        /// Nil while the file is open for writing.
        var dueAt: Time?
    }

    /// Factor applied to `stable` for a file whose writer could not be observed.
    private static let unseenFactor = 10

    private let stable: Duration
    private let most: Int
    private let mostOfOneOwner: Int
    private var candidates: [String: Candidate] = [:]
    private var countByOwner: [UInt32: Int] = [:]
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

    /// Whether one more file of this owner can be tracked.
    package func hasRoom(for owner: UInt32) -> Bool {
        count < most && countByOwner[owner, default: 0] < mostOfOneOwner
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
        if let dueAt { earliest = min(dueAt, earliest ?? dueAt) }
        countByOwner[signature.owner, default: 0] += 1
    }

    private mutating func remove(_ path: String) {
        guard let owner = candidates.removeValue(forKey: path)?.signature.owner else { return }
        countByOwner[owner, default: 0] -= 1
        if countByOwner[owner] == 0 { countByOwner[owner] = nil }
        if candidates.isEmpty { earliest = nil }
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
        countByOwner.removeAll()
        earliest = nil
        beginScan()
    }

    /// The time of the next call to `take`, or nil if nothing is due without a further observation.
    package var nextDue: Time? { earliest }

    /// Removes and returns the files that are due and unchanged. Files that have changed start waiting again.
    /// - Parameters:
    ///   - most: maximum number of files to check; the others stay due
    ///   - look: returns the current signature of a file, or nil if it no longer exists
    package mutating func take(
        now: Time, most: Int = .max, look: (String) -> FileSignature?
    ) -> [(path: String, signature: FileSignature)] {
        var due: [(dueAt: Time, path: String)] = []
        for (path, candidate) in candidates {
            if let dueAt = candidate.dueAt, dueAt <= now { due.append((dueAt, path)) }
        }
        due.sort { $0.dueAt != $1.dueAt ? $0.dueAt < $1.dueAt : $0.path < $1.path }
        var taken: [(path: String, signature: FileSignature)] = []
        for (_, path) in due.prefix(most) {
            guard let known = candidates[path]?.signature else { continue }
            guard let signature = look(path) else {
                remove(path)
                continue
            }
            if signature == known {
                remove(path)
                taken.append((path, signature))
            } else {
                settled(path, signature, now: now)
            }
        }
        earliest = candidates.values.lazy.compactMap(\.dueAt).min()
        return taken
    }
}
