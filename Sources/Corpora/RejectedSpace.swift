import Durable
import Glibc
import Synchronization

/// Limits on the disk space used by the files in `.rejected`, in total and per owner.
///
/// Group members cannot remove files from it, so without a limit, rejected files could fill the disk. The service never
/// deletes members' files: a file that exceeds the limit stays in the inbox, where its owner can remove it.
package struct RejectedLimits: Sendable {
    /// Maximum total size in bytes; the files of one owner may use half of it.
    package var bytes: Int
    /// Minimum number of bytes that are counted for a file, so that empty files are limited as well.
    package var bytesOfFile = 64 << 10
    /// Minimum time between two scans of the folder while it is full.
    package var rescanInterval = Duration.seconds(10)

    package init(bytes: Int) { self.bytes = bytes }

    /// A tenth of the file system, at most 10 GiB and at least 64 MiB.
    static func usual(total: Int) -> RejectedLimits { RejectedLimits(bytes: max(64 << 20, min(10 << 30, total / 10))) }

    /// Returns the number of bytes to count for a file. A file larger than the limit counts as just over the limit:
    /// the size of a sparse file is chosen by its owner, and sums of such sizes would overflow.
    fileprivate func counted(_ size: Int) -> Int { min(max(size, bytesOfFile), bytes + 1) }
}

/// Counts the files in `.rejected` by owner. The folder is scanned on first use and, while it is full, periodically,
/// because an administrator may have cleared it.
final class RejectedSpace: Sendable {
    fileprivate struct State {
        var limits: RejectedLimits?
        /// Bytes by owner.
        var used: [UInt32: Int] = [:]
        /// When the folder was last scanned; nil if it was never scanned.
        var scanned: ContinuousClock.Instant?
    }

    private let state: Mutex<State>

    /// - Parameter limits: nil uses the defaults for the folder's file system
    init(limits: RejectedLimits?) { state = Mutex(State(limits: limits)) }

    /// Returns whether the folder has room for a file.
    /// - Parameter open: opens the folder for a scan
    /// - Returns: the limit that the file would exceed in bytes, or nil if there is room
    func excess(
        of signature: FileSignature, in path: String, now: ContinuousClock.Instant = .now,
        open: () throws(DurableError) -> OpenFolder
    ) throws(DurableError) -> Int? {
        try state.withLock { state throws(DurableError) -> Int? in
            let limits: RejectedLimits
            if let known = state.limits {
                limits = known
            } else {
                limits = .usual(total: try FreeSpace.at(path).total)
                state.limits = limits
            }
            if state.scanned == nil { try state.scan(limits, path, now, try open()) }
            guard let excess = state.excess(of: signature, limits) else { return nil }
            guard let scanned = state.scanned, now - scanned >= limits.rescanInterval else { return excess }
            try state.scan(limits, path, now, try open())
            return state.excess(of: signature, limits)
        }
    }

    /// Counts a file that was moved into the folder.
    func add(_ signature: FileSignature) {
        state.withLock { state in
            guard let limits = state.limits else { return }
            state.used[signature.owner, default: 0] += limits.counted(signature.bytes)
        }
    }
}

extension RejectedSpace.State {
    fileprivate func excess(of signature: FileSignature, _ limits: RejectedLimits) -> Int? {
        let bytes = limits.counted(signature.bytes)
        if used[signature.owner, default: 0] + bytes > limits.bytes / 2 { return limits.bytes / 2 }
        return used.values.reduce(bytes, +) > limits.bytes ? limits.bytes : nil
    }

    fileprivate mutating func scan(
        _ limits: RejectedLimits, _ path: String, _ now: ContinuousClock.Instant, _ folder: OpenFolder
    ) throws(DurableError) {
        var used: [UInt32: Int] = [:]
        try folder.forEachEntry(depth: CorpusStore.rejectedDepth, path: path) { folder, name in
            guard let status = folder.status(of: name) else { return }
            // A reason, which the service wrote, is counted as part of its file.
            let isOwn = status.st_uid == geteuid() && status.st_size < limits.bytesOfFile
            if isOwn, CorpusStore.isReason(name) { return }
            used[folder.owner(of: name, status), default: 0] += limits.counted(Int(status.st_size))
        }
        self.used = used
        scanned = now
    }
}
