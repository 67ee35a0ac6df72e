import Dispatch
import Durable
import Glibc
import Synchronization

/// Finds the files that are put into the inbox or a folder below it, also a folder made later.
///
/// A file is handed out when it has been closed or moved in, its size and time have not changed for `stable` since, and
/// nobody has it open for writing. What lies there at the start is found too; where the kernel does not say whether it is
/// open for writing, it has to be left alone for longer (`InboxCandidates.found`). Hidden files and folders, unfinished
/// ones, symbolic links, whatever is not a regular file, and folders beyond what `InboxLimits` allows are left alone. An
/// inbox that is removed or renamed is made again.
///
/// Nothing below the inbox is looked at by its whole path: folders are opened one by one, following no link.
public final class InboxWatcher: @unchecked Sendable {
    // @unchecked: everything below is touched on `queue` alone, but `pending`, which is atomic.

    /// The files, each once for each time it was left alone. Ends when the watcher is stopped.
    public let files: AsyncStream<InboxFile>

    /// Files that have been seen and not yet handed out.
    public var pendingCount: Int { pending.load(ordering: .relaxed) }

    private let root: String
    private let stable: Duration
    private let limits: InboxLimits
    private let restore: @Sendable () throws(DurableError) -> Void
    private let tell: @Sendable (InboxNotice) -> Void
    private let queue = DispatchQueue(label: "inbox")
    private let continuation: AsyncStream<InboxFile>.Continuation
    private let pending = Atomic<Int>(0)
    private let inotify: Inotify
    private let readable: any DispatchSourceRead
    private let timer: any DispatchSourceTimer
    private var candidates: InboxCandidates
    /// When the timer will fire; nil where it is not set.
    private var armed: InboxCandidates.Time?
    private var folders: [Int32: String] = [:]
    /// The same the other way round.
    private var watches: [String: Int32] = [:]
    /// Folders that are watched, and whose content is still to be looked at.
    private var unscanned: [String] = []
    private var scan: FolderScan?
    private var isScanScheduled = false
    /// When the look at everything that is going on began.
    private var rescanBegan: InboxCandidates.Time?
    /// How long the last one took.
    private var lastScan = Duration.zero
    /// When everything is looked at again, for what there was no room for.
    private var rescanDue: InboxCandidates.Time?
    /// Until when nothing is handed out, as nobody takes it.
    private var restingUntil: InboxCandidates.Time?
    /// Whether a folder was left alone as too many were watched.
    private var isShortOfWatches = false
    /// What lies there and is left alone, and has been told of.
    private var leftAlone: Set<String> = []
    private var noticeRate = NoticeRate()
    /// Notices that were one too many.
    private var untold = 0
    private var isSumScheduled = false
    /// The folder that was opened last, while a batch of events is handled.
    private var lastOpened: (path: String, folder: OpenFolder)?
    private var isStopped = false

    /// Until a lost inbox is tried again.
    private static let retryDelay = DispatchTimeInterval.seconds(1)
    /// Until files are handed out again that nobody took.
    private static let restDelay = Duration.milliseconds(100)

    /// - Parameters:
    ///   - directory: the inbox; it must exist
    ///   - stable: how long a file must have been left alone
    ///   - limits: what the content of the inbox can cost
    ///   - restore: makes the inbox again, once it is gone. Called on the watcher's own queue, as is `tell`.
    ///   - tell: gets what there is to say beside the files
    public init(
        directory: String, stable: Duration, limits: InboxLimits = InboxLimits(),
        restore: @escaping @Sendable () throws(DurableError) -> Void,
        tell: @escaping @Sendable (InboxNotice) -> Void
    ) throws(DurableError) {
        var root = directory
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
        self.stable = stable
        self.limits = limits
        self.restore = restore
        self.tell = tell
        candidates = InboxCandidates(stable: stable, most: limits.candidates)
        inotify = try Inotify()
        (files, continuation) = AsyncStream.makeStream(
            of: InboxFile.self, bufferingPolicy: .bufferingOldest(limits.handedOut))
        let inotify = inotify
        readable = DispatchSource.makeReadSource(fileDescriptor: inotify.descriptor, queue: queue)
        timer = DispatchSource.makeTimerSource(queue: queue)
        // The descriptor must outlive the source that waits for it.
        readable.setCancelHandler { withExtendedLifetime(inotify) {} }
        readable.setEventHandler { [weak self] in self?.handleEvents() }
        timer.setEventHandler { [weak self] in self?.handleTimer() }
        readable.activate()
        timer.activate()
        try queue.sync { () -> Result<Void, DurableError> in
            Result { () throws(DurableError) in
                try watch(root)
                goOnScanning()
                schedule()
            }
        }.get()
    }

    /// Ends `files`.
    public func stop() {
        queue.async { [self] in
            isStopped = true
            readable.cancel()
            timer.cancel()
            continuation.finish()
        }
    }

    /// Hands a file out again after a while: it could not be used now.
    public func offerAgain(_ file: InboxFile, after delay: Duration) {
        queue.async { [self] in
            candidates.again(file.path, file.signature, delay: delay, now: .now)
            schedule()
        }
    }

    deinit {
        readable.cancel()
        timer.cancel()
        continuation.finish()
    }

    private func handleEvents() {
        for event in inotify.events() {
            if event.has(IN_Q_OVERFLOW) {
                // What happened is lost: look at everything afresh.
                forgetEverything()
                // That the inbox itself went may be among it.
                do throws(DurableError) { try watch(root) } catch { makeAgain(isFirstTry: true) }
                continue
            }
            guard let folder = folders[event.watch] else { continue }
            if event.has(IN_IGNORED) {
                forget(event.watch, folder)
            } else if event.has(IN_DELETE_SELF | IN_MOVE_SELF) {
                // Of a folder below, its parent's watch tells the same.
                if folder == root { makeAgain(isFirstTry: true) }
            } else if !event.name.hasPrefix(".") {
                handle(event, in: folder)
            }
        }
        lastOpened = nil
        if !isScanScheduled { goOnScanning() }
        schedule()
    }

    private func forgetEverything() {
        candidates.reset()
        for watch in folders.keys { inotify.unwatch(watch) }
        folders = [:]
        watches = [:]
        unscanned = []
        scan = nil
        rescanBegan = nil
        rescanDue = nil
        isShortOfWatches = false
        lastOpened = nil
    }

    private func forget(_ watch: Int32, _ folder: String) {
        folders[watch] = nil
        if watches[folder] == watch { watches[folder] = nil }
        guard isShortOfWatches, folders.count < limits.folders else { return }
        isShortOfWatches = false
        candidates.hasMissed = true
    }

    /// The inbox is gone, or has another name by now: what is dropped from here on lands in a new one.
    private func makeAgain(isFirstTry: Bool) {
        forgetEverything()
        leftAlone = []
        do throws(DurableError) {
            try restore()
            try watch(root)
            tell(.madeAgain)
            if !isScanScheduled { goOnScanning() }
            schedule()
        } catch {
            if isFirstTry { tell(.gone(error)) }
            queue.asyncAfter(deadline: .now() + InboxWatcher.retryDelay) { [weak self] in
                guard let self, !isStopped else { return }
                makeAgain(isFirstTry: false)
            }
        }
    }

    private func handle(_ event: Inotify.Event, in folder: String) {
        let path = "\(folder)/\(event.name)"
        if event.has(IN_ISDIR) {
            lastOpened = nil
            if event.has(IN_CREATE | IN_MOVED_TO) { watchBelow(path) }
            if event.has(IN_DELETE | IN_MOVED_FROM) { unwatchTree(path) }
        } else if UnfinishedNames.contains(event.name) {
            return
        } else if event.has(IN_DELETE | IN_MOVED_FROM) {
            candidates.gone(path)
            leftAlone.remove(path)
        } else {
            guard let status = reopened(folder)?.status(of: event.name) else { return }  // gone since
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                // A hard link comes into being without being opened: nobody will close it.
                let isLinked = event.has(IN_CREATE) && status.st_nlink > 1
                if event.has(IN_CLOSE_WRITE | IN_MOVED_TO) || isLinked {
                    candidates.settled(path, FileSignature(status), now: .now)
                } else {
                    candidates.written(path, FileSignature(status))
                }
            case S_IFDIR: break  // told of by itself
            default: leaveAlone(path, reasonToLeaveAlone(status))
            }
        }
    }

    /// As `open`, where the last one may be meant again.
    private func reopened(_ folder: String) -> OpenFolder? {
        if let lastOpened, lastOpened.path == folder { return lastOpened.folder }
        lastOpened = nil
        guard let opened = open(folder) else { return nil }
        lastOpened = (folder, opened)
        return opened
    }

    private func leaveAlone(_ path: String, _ reason: String) {
        tellOnce(path, .leftAlone(name: name(path), reason: reason))
    }

    /// Names without end can be made: so many are remembered, and so many told of in a time; the others are counted.
    private func tellOnce(_ path: String, _ notice: @autoclosure () -> InboxNotice) {
        guard !leftAlone.contains(path) else { return }
        let isRemembered = leftAlone.count < limits.leftAlone
        if isRemembered { leftAlone.insert(path) }
        if isRemembered, noticeRate.allows(now: .now) { return tell(notice()) }
        untold += 1
        guard !isSumScheduled else { return }
        isSumScheduled = true
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(limits.sumDelay / .milliseconds(1)))) { [weak self] in
            guard let self else { return }
            isSumScheduled = false
            if !isStopped { tell(.moreLeftAlone(count: untold)) }
            untold = 0
        }
    }

    /// The path below the inbox, to be shown.
    private func name(_ path: String) -> String {
        RawPath.shown(below(path))
    }

    private func below(_ path: String) -> String { String(path.dropFirst(root.count).drop { $0 == "/" }) }

    private func depth(_ folder: String) -> Int {
        folder.utf8.dropFirst(root.utf8.count).count { $0 == UInt8(ascii: "/") }
    }

    private func handleTimer() {
        armed = nil
        let now = ContinuousClock.now
        if let due = rescanDue, due <= now { lookAtEverythingAgain() }
        if let restingUntil, restingUntil > now { return schedule() }
        restingUntil = nil
        let due = candidates.take(now: now, most: limits.handedOut) { path in
            let (folder, name) = split(path)
            return reopened(folder)?.signature(of: name)
        }
        var free: [InboxFile] = []
        for (path, signature) in due {
            let (folder, lastName) = split(path)
            // A second writer, or one who has it by another name, of whom no event tells.
            if reopened(folder)?.isOpenForWriting(lastName) == true {
                candidates.again(path, signature, delay: max(stable, .milliseconds(100)), now: .now)
            } else {
                let name = RawPath.printable(below(path))
                free.append(InboxFile(path: path, name: name, signature: signature))
            }
        }
        lastOpened = nil
        schedule()
        for file in free { handOut(file) }
        schedule()
    }

    private func handOut(_ file: InboxFile) {
        guard case .dropped = continuation.yield(file) else { return }
        restingUntil = .now + InboxWatcher.restDelay
        candidates.again(file.path, file.signature, delay: InboxWatcher.restDelay, now: .now)
    }

    private func split(_ path: String) -> (folder: String, name: String) {
        let slash = path.lastIndex(of: "/")!
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// A folder of the inbox; nil where it is none, or a link.
    private func open(_ folder: String) -> OpenFolder? {
        OpenFolder(folder, depth: depth(folder))
    }

    private func schedule() {
        pending.store(candidates.count, ordering: .relaxed)
        let isScanning = scan != nil || !unscanned.isEmpty
        if candidates.hasMissed, rescanDue == nil, !isScanning { rescanDue = .now + max(limits.rescanDelay, pause) }
        let handedOut = candidates.nextDue.map { max($0, restingUntil ?? $0) }
        // A timer that is set again and again, as often as something happens, would never fire.
        guard let due = [handedOut, rescanDue].compactMap(\.self).min(), armed.map({ due < $0 }) ?? true else { return }
        armed = due
        let wait = max(.zero, ContinuousClock.now.duration(to: due))
        let (seconds, attoseconds) = wait.components
        let nanoseconds = Int(min(seconds, 1_000_000)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        timer.schedule(deadline: .now() + .nanoseconds(nanoseconds), leeway: .milliseconds(10))
    }

    /// Watches a folder, and has what lies in it looked at afterwards: in this order, so that nothing can come in between.
    private func watch(_ folder: String) throws(DurableError) {
        guard let open = open(folder) else {
            throw DurableError(operation: "open", path: RawPath.shown(folder), errno: errno)
        }
        let watch = try inotify.watch(open, path: RawPath.shown(folder))
        folders[watch] = folder
        watches[folder] = watch
        leftAlone.remove(folder)
        unscanned.append(folder)
    }

    private func watchBelow(_ folder: String) {
        guard depth(folder) <= limits.depth else {
            return leaveAlone(folder, "lies more than \(limits.depth) folders deep: move it up")
        }
        guard folder.utf8.count - root.utf8.count <= limits.pathBytes else {
            return leaveAlone(folder, "has a path of more than \(limits.pathBytes) bytes: move it up")
        }
        guard watches[folder] != nil || folders.count < limits.folders else {
            isShortOfWatches = true
            return leaveAlone(folder, "is one more than the \(limits.folders) folders that are watched")
        }
        do throws(DurableError) {
            try watch(folder)
        } catch {
            // It may have gone again, which is no problem.
            if error.errno != ENOENT && error.errno != ENOTDIR { tellOnce(folder, .unwatched(error)) }
        }
    }

    private func unwatchTree(_ folder: String) {
        let inside = folder + "/"
        for (watch, path) in folders where path == folder || path.hasPrefix(inside) {
            inotify.unwatch(watch)
            forget(watch, path)
        }
        unscanned.removeAll { $0 == folder || $0.hasPrefix(inside) }
        candidates.folderGone(folder)
        leftAlone = leftAlone.filter { $0 != folder && !$0.hasPrefix(inside) }
    }

    // MARK: - What lies there already

    /// Looks at some more of what lies in folders that are watched, without recursion however deep they lie, and lets
    /// events and files have their turn in between.
    private func goOnScanning() {
        for _ in 0..<limits.entriesAtOnce {
            if let scan {
                if let name = scan.next() { look(at: name, in: scan) } else { self.scan = nil }
            } else {
                guard let folder = unscanned.popLast() else {
                    if let rescanBegan { lastScan = rescanBegan.duration(to: .now) }
                    rescanBegan = nil
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
            goOnScanning()
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
            if error.errno != ENOENT && error.errno != ENOTDIR { tellOnce(folder, .unwatched(error)) }
        }
    }

    private func look(at name: String, in scan: FolderScan) {
        if name.hasPrefix(".") { return }
        let path = "\(scan.path)/\(name)"
        guard let status = scan.folder.status(of: name) else { return }  // gone since
        switch status.st_mode & S_IFMT {
        case S_IFDIR: watchBelow(path)
        case _ where UnfinishedNames.contains(name): break
        case S_IFREG: found(path, FileSignature(status)) { scan.folder.isOpenForWriting(name) }
        default: leaveAlone(path, reasonToLeaveAlone(status))
        }
    }

    /// Its writer, if there is one still, was not seen to begin. Its folder is watched by now: what goes on is told.
    private func found(_ path: String, _ signature: FileSignature, _ isOpenForWriting: () -> Bool?) {
        guard !candidates.awaits(path, signature) else { return }
        guard candidates.hasRoom(for: signature.owner) else {
            candidates.hasMissed = true
            return
        }
        guard isOpenForWriting() == nil else { return candidates.settled(path, signature, now: .now) }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        candidates.found(path, signature, age: .nanoseconds(now &- signature.modifiedNanoseconds), now: .now)
    }

    private func lookAtEverythingAgain() {
        rescanDue = nil
        rescanBegan = .now
        candidates.hasMissed = false
        unscanned = [root]
        scan = nil
        if !isScanScheduled { goOnScanning() }
    }

    /// Between two looks at everything: a fifth of the time is spent on them at most.
    private var pause: Duration { lastScan * 4 }
}
