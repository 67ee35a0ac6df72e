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
    private var candidates: [String: Candidate] = [:]

    package init(stable: Duration) {
        self.stable = stable
    }

    /// Files seen and not yet handed out.
    package var count: Int { candidates.count }

    /// The file was closed, moved in, or is known to be open for writing nowhere.
    package mutating func settled(_ path: String, _ signature: FileSignature, now: Time) {
        candidates[path] = Candidate(signature: signature, dueAt: now + stable)
    }

    /// A scan found the file, and nobody can say whether its writer has only paused: it is due after a longer quiet, which
    /// counts from its last change.
    /// - Parameter age: since it was changed last; less than zero where a clock was set
    package mutating func found(_ path: String, _ signature: FileSignature, age: Duration, now: Time) {
        let quiet = stable * Self.unseenFactor
        candidates[path] = Candidate(signature: signature, dueAt: now + max(stable, quiet - max(.zero, age)))
    }

    /// Somebody writes: it is due only after it was closed.
    package mutating func written(_ path: String, _ signature: FileSignature) {
        candidates[path] = Candidate(signature: signature, dueAt: nil)
    }

    /// The file could not be used now; it is due `delay` from now, unless something has been seen of it since.
    package mutating func again(_ path: String, _ signature: FileSignature, delay: Duration, now: Time) {
        guard candidates[path] == nil else { return }
        candidates[path] = Candidate(signature: signature, dueAt: now + delay)
    }

    package mutating func gone(_ path: String) {
        candidates[path] = nil
    }

    /// A folder went away, with all that was in it.
    package mutating func folderGone(_ path: String) {
        candidates = candidates.filter { !$0.key.hasPrefix(path + "/") }
    }

    /// Everything is forgotten: a scan follows.
    package mutating func reset() {
        candidates.removeAll()
    }

    /// When to call `take`; null where nothing is due before something else happens.
    package var nextDue: Time? { candidates.values.compactMap(\.dueAt).min() }

    /// Hands out what is due and is what it was; what has changed waits again.
    /// - Parameter look: the file's signature now; null where it is gone
    package mutating func take(
        now: Time, look: (String) -> FileSignature?
    ) -> [(path: String, signature: FileSignature)] {
        let due = candidates.filter { candidate in candidate.value.dueAt.map { $0 <= now } ?? false }
        var taken: [(path: String, signature: FileSignature)] = []
        for (path, candidate) in due.sorted(by: { ($0.value.dueAt!, $0.key) < ($1.value.dueAt!, $1.key) }) {
            guard let signature = look(path) else {
                candidates[path] = nil
                continue
            }
            if signature == candidate.signature {
                candidates[path] = nil
                taken.append((path, signature))
            } else {
                settled(path, signature, now: now)
            }
        }
        return taken
    }
}
