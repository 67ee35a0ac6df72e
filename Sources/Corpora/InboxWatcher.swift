import Dispatch
import Durable
import Glibc
import LimitedLogging
import Synchronization
import TextReading

/// Watches the inbox and its subdirectories, including directories created later, and delivers the files put there.
///
/// A file is delivered once it has been closed or moved in, its size and modification time have not changed for
/// `stable` since then, and no process has it open for writing. Files that exist at startup are found too; if the
/// kernel cannot tell whether such a file is open for writing, it has to be unchanged for longer
/// (`StabilityTracker.found`). Ignored are hidden files and directories, sidecars (`Sidecar`), symbolic links,
/// everything that is not a regular file, and directories beyond the limits in `InboxLimits`. If the inbox is removed or
/// renamed, it is created again.
///
/// Below the inbox, nothing is accessed by its full path: directories are opened one by one without following links.
public final class InboxWatcher: @unchecked Sendable {
    // @unchecked: all state is accessed on `queue` only, except `pending`, which is atomic.

    /// The files that are ready, each one once per stable period. Finishes when the watcher is stopped.
    public let files: InboxDeliveries

    /// Number of files that have been seen but not yet consumed, including those beyond the limit on candidates that the
    /// last scan found.
    public var pendingCount: Int { pending.load(ordering: .relaxed) + files.count }

    private let root: String
    private let stable: Duration
    private let limits: InboxLimits
    private let polling: InboxPolling
    private let restore: @Sendable () throws(DurableError) -> Void
    private let tell: @Sendable (InboxDiagnostic) -> Void
    private let queue = DispatchQueue(label: "inbox")
    private let pending = Atomic<Int>(0)
    private let inotify: Inotify
    private let readable: any DispatchSourceRead
    private let timer: any DispatchSourceTimer
    private var candidates: StabilityTracker
    /// The time the timer is set to, or nil if it is not set.
    private var timerFiresAt: StabilityTracker.Time?
    private var folders = WatchedFolders()
    /// Directories that are watched but not yet scanned.
    private var unscanned: [String] = []
    private var scan: FolderScan?
    private var isScanScheduled = false
    /// Start time of the rescan in progress.
    private var rescanBegan: StabilityTracker.Time?
    /// Duration of the last rescan.
    private var lastScan = Duration.zero
    /// Number of candidates after the last scan.
    private var candidatesAfterScan = 0
    /// Number of times the next rescan was postponed.
    private var postponedScans = 0
    /// Time of the next rescan, which looks for entries that were dropped because a limit was reached.
    private var rescanDue: StabilityTracker.Time?
    /// No files are delivered before this time, because the queue `files` has no room for those that are due.
    private var deliveryPausedUntil: StabilityTracker.Time?
    /// Interval between scans that find changes which are not reported; nil if all changes are reported.
    private var pollInterval: Duration?
    /// Whether a directory was ignored because the limit on watched directories was reached.
    private var isShortOfWatches = false
    /// Paths of ignored entries that have been reported.
    private var ignored: Set<String> = []
    private var noticeRate = RateLimiter.ofNotices
    /// Number of notices suppressed since the last summary.
    private var suppressedCount = 0
    private var isSummaryScheduled = false
    /// The most recently opened directory, cached while a batch of events is handled.
    private var lastOpened: (path: String, folder: OpenFolder)?
    private var isStopped = false

    /// Delay between attempts to create a lost inbox again.
    private static let retryDelay = DispatchTimeInterval.seconds(1)
    private static let mostPostponedScans = 4
    /// Delay before undelivered files are offered to the consumer again.
    private static let redeliveryDelay = Duration.milliseconds(20)

    /// - Parameters:
    ///   - directory: the inbox, which must exist
    ///   - stable: how long a file must be unchanged before it is delivered
    ///   - limits: bounds on the resources that the contents of the inbox can consume
    ///   - polling: whether the inbox is scanned periodically
    ///   - restore: creates the inbox again after it was removed. Called on the watcher's queue, as is `tell`.
    ///   - tell: receives diagnostics
    public convenience init(
        directory: String, stable: Duration, limits: InboxLimits = InboxLimits(),
        polling: InboxPolling = .automatic,
        restore: @escaping @Sendable () throws(DurableError) -> Void,
        tell: @escaping @Sendable (InboxDiagnostic) -> Void
    ) throws(DurableError) {
        try self.init(
            directory: directory, stable: stable, limits: limits, polling: polling, ignoresEvents: false,
            restore: restore, tell: tell)
    }

    /// - Parameter ignoresEvents: simulates a file system on which other hosts make all changes
    package init(
        directory: String, stable: Duration, limits: InboxLimits = InboxLimits(), polling: InboxPolling,
        ignoresEvents: Bool,
        restore: @escaping @Sendable () throws(DurableError) -> Void,
        tell: @escaping @Sendable (InboxDiagnostic) -> Void
    ) throws(DurableError) {
        var root = directory
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
        self.stable = stable
        self.limits = limits
        self.polling = polling
        self.restore = restore
        self.tell = tell
        candidates = StabilityTracker(stable: stable, most: limits.candidates)
        inotify = try Inotify()
        files = InboxDeliveries(most: limits.handedOut)
        let inotify = inotify
        readable = DispatchSource.makeReadSource(fileDescriptor: inotify.descriptor, queue: queue)
        timer = DispatchSource.makeTimerSource(queue: queue)
        // Keeps the descriptor open until the source is cancelled.
        readable.setCancelHandler { withExtendedLifetime(inotify) {} }
        readable.setEventHandler { [weak self, inotify] in
            if ignoresEvents { _ = inotify.events() } else { self?.handleEvents() }
        }
        if case .every(let seconds) = polling { pollInterval = .seconds(seconds) }
        timer.setEventHandler { [weak self] in self?.handleTimer() }
        readable.activate()
        timer.activate()
        try queue.sync { () -> Result<Void, DurableError> in
            Result { () throws(DurableError) in
                try watch(root)
                continueScanning()
                schedule()
            }
        }.get()
    }

    /// Stops watching and finishes `files`.
    public func stop() {
        queue.async { [self] in
            isStopped = true
            readable.cancel()
            timer.cancel()
            files.finish()
        }
    }

    /// Delivers a file again after a delay, because it could not be processed now.
    public func requeue(_ file: InboxFile, after delay: Duration) {
        queue.async { [self] in
            candidates.reschedule(file.path, file.signature, delay: delay, now: .now)
            schedule()
        }
    }

    deinit {
        readable.cancel()
        timer.cancel()
        files.finish()
    }

    private func handleEvents() {
        for event in inotify.events() {
            if event.has(IN_Q_OVERFLOW) {
                // Events were lost: scan everything again.
                forgetEverything()
                // The removal of the inbox may be among the lost events.
                do throws(DurableError) { try watch(root) } catch { recreateInbox(isFirstTry: true) }
                continue
            }
            guard let folder = folders.path(of: event.watch) else { continue }
            if event.has(IN_IGNORED) {
                forget(event.watch)
            } else if event.has(IN_DELETE_SELF | IN_MOVE_SELF) {
                // For a subdirectory, the watch of its parent reports the same.
                if folder == root { recreateInbox(isFirstTry: true) }
            } else if !Self.isHidden(event.name) {
                handle(event, in: folder)
            }
        }
        lastOpened = nil
        if !isScanScheduled { continueScanning() }
        schedule()
    }

    private func forgetEverything() {
        candidates.reset()
        for watch in folders.removeAll() { inotify.unwatch(watch) }
        unscanned = []
        scan = nil
        rescanBegan = nil
        rescanDue = nil
        isShortOfWatches = false
        lastOpened = nil
    }

    private func forget(_ watch: Int32) {
        folders.remove(watch)
        guard isShortOfWatches, folders.count < limits.folders else { return }
        isShortOfWatches = false
        candidates.needsScan = true
    }

    /// Creates the inbox again after it was removed or renamed, so that new files arrive in a watched directory.
    private func recreateInbox(isFirstTry: Bool) {
        forgetEverything()
        ignored = []
        do throws(DurableError) {
            try restore()
            try watch(root)
            tell(.madeAgain)
            if !isScanScheduled { continueScanning() }
            schedule()
        } catch {
            if isFirstTry { tell(.gone(error)) }
            queue.asyncAfter(deadline: .now() + InboxWatcher.retryDelay) { [weak self] in
                guard let self, !isStopped else { return }
                recreateInbox(isFirstTry: false)
            }
        }
    }

    private func handle(_ event: Inotify.Event, in folder: String) {
        let path = "\(folder)/\(event.name)"
        if event.has(IN_ISDIR) {
            lastOpened = nil
            if event.has(IN_CREATE | IN_MOVED_TO) { watchBelow(path) }
            if event.has(IN_DELETE | IN_MOVED_FROM) { unwatchTree(path) }
        } else if let sidecar = Sidecar.kind(ofName: event.name) {
            leave(sidecar, path, isGone: event.has(IN_DELETE | IN_MOVED_FROM))
        } else if event.has(IN_DELETE | IN_MOVED_FROM) {
            candidates.gone(path)
            ignored.remove(path)
        } else {
            // removed since
            guard let opened = reopened(folder), let status = opened.status(of: event.name) else { return }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                // A hard link is created without being opened, so no close event will follow.
                let isLinked = event.has(IN_CREATE) && status.st_nlink > 1
                if event.has(IN_CLOSE_WRITE | IN_MOVED_TO) || isLinked {
                    candidates.settled(path, opened.signature(of: event.name, status), now: .now)
                } else if event.has(IN_CREATE), status.st_size > 0 {
                    // It may be a hard link whose first name has been removed by now. If it is being written instead,
                    // an IN_MODIFY event follows.
                    found(path, opened.signature(of: event.name, status), status) {
                        opened.isOpenForWriting(event.name)
                    }
                } else {
                    candidates.written(path, opened.signature(of: event.name, status))
                }
            case S_IFDIR: break  // reported by an event with IN_ISDIR
            default: ignore(path, reasonToIgnore(status))
            }
        }
    }

    /// Handles a sidecar, which stays in the inbox. An unfinished file is not reported, because it is renamed soon.
    private func leave(_ sidecar: Sidecar, _ path: String, isGone: Bool) {
        guard isGone else { return sidecar == .unfinished ? () : ignore(path, sidecar.reason) }
        ignored.remove(path)
        // A download may be complete: its file has had its final name from the beginning.
        guard let finished = Sidecar.unfinishedName(ofState: path) else { return }
        let (folder, name) = split(finished)
        guard let opened = reopened(folder), let status = opened.status(of: name), status.st_mode & S_IFMT == S_IFREG,
            Sidecar.kind(ofName: name) == nil
        else { return }
        ignored.remove(finished)
        candidates.settled(finished, opened.signature(of: name, status), now: .now)
    }

    /// Same as `open`, but reuses the most recently opened directory.
    private func reopened(_ folder: String) -> OpenFolder? {
        if let lastOpened, lastOpened.path == folder { return lastOpened.folder }
        lastOpened = nil
        guard let opened = open(folder) else { return nil }
        lastOpened = (folder, opened)
        return opened
    }

    private func ignore(_ path: String, _ reason: String) {
        reportOnce(path, .ignored(name: name(path), reason: reason))
    }

    /// Reports an entry at most once. An unlimited number of names can be created, so the number of remembered names
    /// and the rate of notices are limited; suppressed notices are counted and reported as a summary.
    private func reportOnce(_ path: String, _ notice: @autoclosure () -> InboxDiagnostic) {
        guard !ignored.contains(path) else { return }
        let isRemembered = ignored.count < limits.ignored
        if isRemembered { ignored.insert(path) }
        if isRemembered, noticeRate.allowsLine() { return tell(notice()) }
        suppressedCount += 1
        guard !isSummaryScheduled else { return }
        isSummaryScheduled = true
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(limits.summaryDelay / .milliseconds(1)))) { [weak self] in
            guard let self else { return }
            isSummaryScheduled = false
            if !isStopped { tell(.moreLeftAlone(count: suppressedCount)) }
            suppressedCount = 0
        }
    }

    /// Whether an entry is private to some program. A misnamed configuration is not.
    private static func isHidden(_ name: String) -> Bool {
        name.hasPrefix(".") && Sidecar.kind(ofName: name) != .misnamedConfiguration
    }

    /// The path relative to the inbox, for display.
    private func name(_ path: String) -> String {
        RawPath.shown(below(path))
    }

    private func below(_ path: String) -> String { String(path.dropFirst(root.count).drop { $0 == "/" }) }

    private func depth(_ folder: String) -> Int {
        folder.utf8.dropFirst(root.utf8.count).count { $0 == UInt8(ascii: "/") }
    }

    private func handleTimer() {
        timerFiresAt = nil
        let now = ContinuousClock.now
        if let due = rescanDue, due <= now {
            // A scan reads the whole inbox, which is worthwhile only once there is room for many files. The delay is
            // limited, because one owner may keep the room while another's files wait.
            if candidates.needsScan, candidates.count > candidatesAfterScan / 2,
                postponedScans < InboxWatcher.mostPostponedScans
            {
                postponedScans += 1
                rescanDue = now + limits.rescanDelay
            } else {
                rescan()
            }
        }
        if let deliveryPausedUntil, deliveryPausedUntil > now { return schedule() }
        deliveryPausedUntil = nil
        // An owner without room costs nothing while the owner's files wait.
        let due = candidates.take(
            now: now, most: limits.handedOut - files.count, room: { files.room(for: $0) },
            look: { path in
                let (folder, name) = split(path)
                return reopened(folder)?.signature(of: name)
            })
        if let next = candidates.nextDue, next <= now { deliveryPausedUntil = now + InboxWatcher.redeliveryDelay }
        var free: [InboxFile] = []
        for (path, signature) in due {
            let (folder, lastName) = split(path)
            // Catches a second writer, or one that uses another hard link, for which there is no event.
            if reopened(folder)?.isOpenForWriting(lastName) == true {
                candidates.reschedule(path, signature, delay: max(stable, .milliseconds(100)), now: .now)
            } else if let state = reopened(folder)?.stateOfDownload(lastName) {
                ignore(path, "is not complete as long as \(RawPath.shown(state)) exists")
            } else {
                let name = RawPath.printable(below(path))
                free.append(InboxFile(path: path, name: name, signature: signature))
            }
        }
        lastOpened = nil
        schedule()
        for file in free { deliver(file) }
        schedule()
    }

    private func deliver(_ file: InboxFile) {
        if !files.yield(file) { postpone(file.path, file.signature) }
    }

    private func postpone(_ path: String, _ signature: FileSignature) {
        deliveryPausedUntil = .now + InboxWatcher.redeliveryDelay
        candidates.reschedule(path, signature, delay: InboxWatcher.redeliveryDelay, now: .now)
    }

    private func split(_ path: String) -> (folder: String, name: String) {
        let slash = path.lastIndex(of: "/")!
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// Opens a directory of the inbox. Returns nil if it does not exist or is a link.
    private func open(_ folder: String) -> OpenFolder? {
        OpenFolder(folder, depth: depth(folder))
    }

    private func schedule() {
        pending.store(candidates.count + candidates.missedCount, ordering: .relaxed)
        let isScanning = scan != nil || !unscanned.isEmpty
        if !isScanning, let delay = candidates.needsScan ? limits.rescanDelay : pollInterval {
            let due = ContinuousClock.now + max(delay, pause)
            // A scan that is needed now does not wait for the next periodic one.
            rescanDue = min(rescanDue ?? due, due)
        }
        let handedOut = candidates.nextDue.map { max($0, deliveryPausedUntil ?? $0) }
        // Rearming the timer on every event would postpone it forever.
        guard let due = [handedOut, rescanDue].compactMap(\.self).min(), timerFiresAt.map({ due < $0 }) ?? true else {
            return
        }
        timerFiresAt = due
        let wait = max(.zero, ContinuousClock.now.duration(to: due))
        let (seconds, attoseconds) = wait.components
        let nanoseconds = Int(min(seconds, 1_000_000)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        timer.schedule(deadline: .now() + .nanoseconds(nanoseconds), leeway: .milliseconds(10))
    }

    /// Watches a directory and queues it for scanning, in this order, so that no entry is missed in between.
    private func watch(_ folder: String) throws(DurableError) {
        guard let open = open(folder) else {
            throw DurableError(operation: "open", path: RawPath.shown(folder), errno: errno)
        }
        let watch = try inotify.watch(open, path: RawPath.shown(folder))
        let fileSystem = open.fileSystemWithoutEvents
        if let replaced = folders.add(watch, folder, isUnreported: fileSystem != nil) { inotify.unwatch(replaced) }
        ignored.remove(folder)
        unscanned.append(folder)
        if let fileSystem { poll(folder, fileSystem) }
    }

    /// Scans periodically from now on, because a folder is on a file system that does not report all changes.
    private func poll(_ folder: String, _ fileSystem: String) {
        guard pollInterval == nil, polling == .automatic else { return }
        pollInterval = InboxPolling.automaticInterval
        tell(
            .polled(
                folder: RawPath.shown(folder), fileSystem: fileSystem, every: InboxPolling.automaticInterval))
    }

    private func watchBelow(_ folder: String) {
        guard depth(folder) <= limits.depth else {
            return ignore(folder, "is more than \(limits.depth) folders deep: move it up")
        }
        guard folder.utf8.count - root.utf8.count <= limits.pathBytes else {
            return ignore(folder, "has a path of more than \(limits.pathBytes) bytes: move it up")
        }
        guard folders.contains(folder) || folders.count < limits.folders else {
            isShortOfWatches = true
            return ignore(folder, "exceeds the limit of \(limits.folders) watched folders")
        }
        do throws(DurableError) {
            try watch(folder)
        } catch {
            // The directory may have been removed again, which is not an error.
            if error.errno != ENOENT && error.errno != ENOTDIR { reportOnce(folder, .unwatched(error)) }
        }
    }

    private func unwatchTree(_ folder: String) {
        for watch in folders.watches(in: folder) {
            inotify.unwatch(watch)
            forget(watch)
        }
        let inside = folder + "/"
        unscanned.removeAll { $0 == folder || $0.hasPrefix(inside) }
        candidates.folderGone(folder)
        ignored = ignored.filter { $0 != folder && !$0.hasPrefix(inside) }
    }

    // MARK: - Scanning

    /// Scans a limited number of entries, without recursion, then yields the queue to events and due files.
    private func continueScanning() {
        for _ in 0..<limits.entriesPerTurn {
            if let scan {
                if let name = scan.next() { look(at: name, in: scan) } else { self.scan = nil }
            } else {
                guard let folder = unscanned.popLast() else {
                    if let rescanBegan { lastScan = rescanBegan.duration(to: .now) }
                    rescanBegan = nil
                    candidatesAfterScan = candidates.count
                    return
                }
                beginScan(folder)
            }
        }
        isScanScheduled = true
        queue.async { [weak self] in
            guard let self else { return }
            isScanScheduled = false
            guard !isStopped else { return }
            continueScanning()
            schedule()
        }
    }

    private func beginScan(_ folder: String) {
        do throws(DurableError) {
            guard let open = open(folder) else {
                throw DurableError(operation: "open", path: RawPath.shown(folder), errno: errno)
            }
            scan = try FolderScan(path: folder, folder: open)
        } catch {
            if error.errno != ENOENT && error.errno != ENOTDIR { reportOnce(folder, .unwatched(error)) }
        }
    }

    private func look(at name: String, in scan: FolderScan) {
        if Self.isHidden(name) { return }
        let path = "\(scan.path)/\(name)"
        guard let status = scan.folder.status(of: name) else { return }  // removed since
        switch status.st_mode & S_IFMT {
        case S_IFDIR: watchBelow(path)
        case S_IFREG:
            if let sidecar = Sidecar.kind(ofName: name) { return leave(sidecar, path, isGone: false) }
            found(path, scan.folder.signature(of: name, status), status) { scan.folder.isOpenForWriting(name) }
        default: ignore(path, reasonToIgnore(status))
        }
    }

    /// Handles a file found by a scan, whose writer, if any, was not observed. Its directory is already watched, so
    /// further changes are reported as events.
    private func found(
        _ path: String, _ signature: FileSignature, _ status: stat, _ isOpenForWriting: () -> Bool?
    ) {
        guard !candidates.awaits(path, signature), !files.isOutstanding(path, signature) else { return }
        guard candidates.hasRoom(for: signature.owner) else { return candidates.miss() }
        // The kernel knows the writers on this host only, and another host's clock may differ.
        if folders.isUnreported(split(path).folder) {
            return candidates.found(path, signature, age: .zero, now: .now)
        }
        guard isOpenForWriting() == nil else {
            // The kernel sets the change time, so the file has not changed since then.
            let age = age(ofSeconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
            return candidates.settled(path, signature, age: age, now: .now)
        }
        let age = age(ofSeconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        candidates.found(path, signature, age: age, now: .now)
    }

    /// Returns the time that has passed since a time of the wall clock.
    private func age(ofSeconds seconds: Int, nanoseconds: Int) -> Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        // Wraps: a file can have a modification time that is out of range.
        return .nanoseconds((now.tv_sec &- seconds) &* 1_000_000_000 &+ (now.tv_nsec &- nanoseconds))
    }

    private func rescan() {
        rescanDue = nil
        postponedScans = 0
        rescanBegan = .now
        candidates.beginScan()
        unscanned = [root]
        scan = nil
        if !isScanScheduled { continueScanning() }
    }

    /// Minimum pause between two rescans, so that at most a fifth of the time is spent scanning.
    private var pause: Duration { lastScan * 4 }
}
