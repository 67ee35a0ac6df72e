/// Which files of the inbox have been left alone for long enough. A value without I/O: what was seen goes in with the
/// time, what to do comes out.
package struct InboxCandidates {
    package typealias Time = ContinuousClock.Instant

    private struct Candidate {
        var signature: FileSignature
        /// Null while somebody has it open for writing.
        var dueAt: Time?
    }

    /// How many times `stable` a file must have been left alone whose writer nobody has watched.
    private static let unseenFactor = 10

    private let stable: Duration
    private let most: Int
    private let mostOfOneOwner: Int
    private var candidates: [String: Candidate] = [:]
    private var countByOwner: [UInt32: Int] = [:]

    /// Whether a file was seen that there was no room for: it has to be looked for again.
    package var hasMissed = false

    /// - Parameter most: files that are known at a time; one owner's are half of them at most
    package init(stable: Duration, most: Int = .max) {
        self.stable = stable
        mostOfOneOwner = max(1, most / 2)
        self.most = most
    }

    /// Files seen and not yet handed out.
    package var count: Int { candidates.count }

    /// Whether there is room for one more file of an owner.
    package func hasRoom(for owner: UInt32) -> Bool {
        count < most && countByOwner[owner, default: 0] < mostOfOneOwner
    }

    /// Whether the file is known as it is, and will be due.
    package func awaits(_ path: String, _ signature: FileSignature) -> Bool {
        candidates[path].map { $0.signature == signature && $0.dueAt != nil } ?? false
    }

    private mutating func note(_ path: String, _ signature: FileSignature, dueAt: Time?) {
        remove(path)
        guard hasRoom(for: signature.owner) else {
            // Who has it open closes it some time, and then it is seen again.
            if dueAt != nil { hasMissed = true }
            return
        }
        candidates[path] = Candidate(signature: signature, dueAt: dueAt)
        countByOwner[signature.owner, default: 0] += 1
    }

    private mutating func remove(_ path: String) {
        guard let owner = candidates.removeValue(forKey: path)?.signature.owner else { return }
        countByOwner[owner, default: 0] -= 1
        if countByOwner[owner] == 0 { countByOwner[owner] = nil }
    }

    /// The file was closed, moved in, or is known to be open for writing nowhere.
    package mutating func settled(_ path: String, _ signature: FileSignature, now: Time) {
        note(path, signature, dueAt: now + stable)
    }

    /// A scan found the file, and nobody can say whether its writer has only paused: it is due after a longer quiet, which
    /// counts from its last change.
    /// - Parameter age: since it was changed last; less than zero where a clock was set
    package mutating func found(_ path: String, _ signature: FileSignature, age: Duration, now: Time) {
        let quiet = stable * Self.unseenFactor
        note(path, signature, dueAt: now + max(stable, quiet - max(.zero, age)))
    }

    /// Somebody writes: it is due only after it was closed.
    package mutating func written(_ path: String, _ signature: FileSignature) {
        note(path, signature, dueAt: nil)
    }

    /// The file could not be used now; it is due `delay` from now, unless something has been seen of it since.
    package mutating func again(_ path: String, _ signature: FileSignature, delay: Duration, now: Time) {
        guard candidates[path] == nil else { return }
        note(path, signature, dueAt: now + delay)
    }

    package mutating func gone(_ path: String) { remove(path) }

    /// A folder went away, with all that was in it.
    package mutating func folderGone(_ path: String) {
        for inner in candidates.keys where inner.hasPrefix(path + "/") { remove(inner) }
    }

    /// Everything is forgotten: a scan follows.
    package mutating func reset() {
        candidates.removeAll()
        countByOwner.removeAll()
        hasMissed = false
    }

    /// When to call `take`; null where nothing is due before something else happens.
    package var nextDue: Time? { candidates.values.compactMap(\.dueAt).min() }

    /// Hands out what is due and is what it was; what has changed waits again.
    /// - Parameters:
    ///   - most: files that are looked at; the others stay due
    ///   - look: the file's signature now; null where it is gone
    package mutating func take(
        now: Time, most: Int = .max, look: (String) -> FileSignature?
    ) -> [(path: String, signature: FileSignature)] {
        let due = candidates.filter { candidate in candidate.value.dueAt.map { $0 <= now } ?? false }
        var taken: [(path: String, signature: FileSignature)] = []
        let oldest = due.sorted { ($0.value.dueAt!, $0.key) < ($1.value.dueAt!, $1.key) }.prefix(most)
        for (path, candidate) in oldest {
            guard let signature = look(path) else {
                remove(path)
                continue
            }
            if signature == candidate.signature {
                remove(path)
                taken.append((path, signature))
            } else {
                settled(path, signature, now: now)
            }
        }
        return taken
    }
}
