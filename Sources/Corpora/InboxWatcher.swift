import Dispatch
import Durable
import Glibc
import Synchronization

/// Finds the files that are put into the inbox or a folder below it, also a folder made later.
///
/// A file is handed out when it has been closed or moved in, its size and time have not changed for `stable` since, and
/// nobody has it open for writing. What lies there at the start is found too; where the kernel does not say whether it is
/// open for writing, it has to be left alone for longer (`InboxCandidates.found`). Hidden files and folders, unfinished
/// ones, symbolic links and whatever is not a regular file are left alone. An inbox that is removed or renamed is made
/// again.
public final class InboxWatcher: @unchecked Sendable {
    // @unchecked: everything below is touched on `queue` alone, but `pending`, which is atomic.

    /// The files, each once for each time it was left alone. Ends when the watcher is stopped.
    public let files: AsyncStream<InboxFile>

    /// Files that have been seen and not yet handed out.
    public var pendingCount: Int { pending.load(ordering: .relaxed) }

    private let root: String
    private let stable: Duration
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
    /// What lies there and is left alone, and has been told of.
    private var leftAlone: Set<String> = []
    private var isStopped = false

    /// Until a lost inbox is tried again.
    private static let retryDelay = DispatchTimeInterval.seconds(1)

    /// - Parameters:
    ///   - directory: the inbox; it must exist
    ///   - stable: how long a file must have been left alone
    ///   - restore: makes the inbox again, once it is gone. Called on the watcher's own queue, as is `tell`.
    ///   - tell: gets what there is to say beside the files
    public init(
        directory: String, stable: Duration, restore: @escaping @Sendable () throws(DurableError) -> Void,
        tell: @escaping @Sendable (InboxNotice) -> Void
    ) throws(DurableError) {
        var root = directory
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
        self.stable = stable
        self.restore = restore
        self.tell = tell
        candidates = InboxCandidates(stable: stable)
        inotify = try Inotify()
        (files, continuation) = AsyncStream.makeStream(of: InboxFile.self)
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
                try watchFolder(root)
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
                do throws(DurableError) { try watchFolder(root) } catch { makeAgain(isFirstTry: true) }
                continue
            }
            guard let folder = folders[event.watch] else { continue }
            if event.has(IN_IGNORED) {
                folders[event.watch] = nil
            } else if event.has(IN_DELETE_SELF | IN_MOVE_SELF) {
                // Of a folder below, its parent's watch tells the same.
                if folder == root { makeAgain(isFirstTry: true) }
            } else if !event.name.hasPrefix(".") {
                handle(event, at: "\(folder)/\(event.name)")
            }
        }
        schedule()
    }

    private func forgetEverything() {
        candidates.reset()
        for watch in folders.keys { inotify.unwatch(watch) }
        folders = [:]
    }

    /// The inbox is gone, or has another name by now: what is dropped from here on lands in a new one.
    private func makeAgain(isFirstTry: Bool) {
        forgetEverything()
        leftAlone = []
        do throws(DurableError) {
            try restore()
            try watchFolder(root)
            tell(.madeAgain)
            schedule()
        } catch {
            if isFirstTry { tell(.gone(error)) }
            queue.asyncAfter(deadline: .now() + InboxWatcher.retryDelay) { [weak self] in
                guard let self, !isStopped else { return }
                makeAgain(isFirstTry: false)
            }
        }
    }

    private func handle(_ event: Inotify.Event, at path: String) {
        if event.has(IN_ISDIR) {
            if event.has(IN_CREATE | IN_MOVED_TO) { watchTree(path) }
            if event.has(IN_DELETE | IN_MOVED_FROM) { unwatchTree(path) }
        } else if UnfinishedNames.contains(event.name) {
            return
        } else if event.has(IN_DELETE | IN_MOVED_FROM) {
            candidates.gone(path)
            leftAlone.remove(path)
        } else {
            var status = stat()
            guard path.withRawPath({ lstat($0, &status) }) == 0 else { return }  // gone since
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
            default: leaveAlone(path, status)
            }
        }
    }

    private func leaveAlone(_ path: String, _ status: stat) {
        guard leftAlone.insert(path).inserted else { return }
        tell(.leftAlone(name: name(path), reason: reasonToLeaveAlone(status)))
    }

    /// The path below the inbox, to be shown.
    private func name(_ path: String) -> String {
        RawPath.printable(String(path.dropFirst(root.count).drop { $0 == "/" }))
    }

    private func handleTimer() {
        armed = nil
        let due = candidates.take(now: .now) { path in
            let (folder, name) = split(path)
            return open(folder)?.signature(of: name)
        }
        var free: [InboxFile] = []
        for (path, signature) in due {
            let (folder, lastName) = split(path)
            // A second writer, or one who has it by another name, of whom no event tells.
            if open(folder)?.isOpenForWriting(lastName) == true {
                candidates.again(path, signature, delay: max(stable, .milliseconds(100)), now: .now)
            } else {
                free.append(InboxFile(path: path, name: name(path), signature: signature))
            }
        }
        schedule()
        for file in free { continuation.yield(file) }
    }

    private func split(_ path: String) -> (folder: String, name: String) {
        let slash = path.lastIndex(of: "/")!
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// A folder of the inbox; nil where it is none, or a link.
    private func open(_ folder: String) -> OpenFolder? {
        OpenFolder(folder, depth: folder.dropFirst(root.count).count { $0 == "/" })
    }

    private func schedule() {
        pending.store(candidates.count, ordering: .relaxed)
        // A timer that is set again and again, as often as something happens, would never fire.
        guard let due = candidates.nextDue, armed.map({ due < $0 }) ?? true else { return }
        armed = due
        let wait = max(.zero, ContinuousClock.now.duration(to: due))
        let (seconds, attoseconds) = wait.components
        let nanoseconds = Int(min(seconds, 1_000_000)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        timer.schedule(deadline: .now() + .nanoseconds(nanoseconds), leeway: .milliseconds(10))
    }

    /// Watches a folder and those below it, then looks at what lies in them already: in this order, so that nothing
    /// can come in between.
    private func watchTree(_ folder: String) {
        do throws(DurableError) {
            try watchFolder(folder)
        } catch {
            // It may have gone again, which is no problem.
            if error.errno != ENOENT && error.errno != ENOTDIR { tell(.unwatched(error)) }
        }
    }

    private func watchFolder(_ folder: String) throws(DurableError) {
        guard let open = open(folder) else {
            throw DurableError(operation: "open", path: folder, errno: errno)
        }
        folders[try inotify.watch(open, path: folder)] = folder
        try scan(open, folder)
    }

    /// Its writer, if there is one still, was not seen to begin. Its folder is watched by now: what goes on is told.
    private func found(_ path: String, _ signature: FileSignature, _ isOpenForWriting: Bool?) {
        guard isOpenForWriting == nil else { return candidates.settled(path, signature, now: .now) }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        candidates.found(path, signature, age: .nanoseconds(now &- signature.modifiedNanoseconds), now: .now)
    }

    private func unwatchTree(_ folder: String) {
        for (watch, path) in folders where path == folder || path.hasPrefix(folder + "/") {
            inotify.unwatch(watch)
            folders[watch] = nil
        }
        candidates.folderGone(folder)
        leftAlone = leftAlone.filter { !$0.hasPrefix(folder + "/") }
    }

    private func scan(_ open: OpenFolder, _ folder: String) throws(DurableError) {
        // A second descriptor: closing the stream closes its own.
        guard let stream = fdopendir(dup(open.descriptor)) else {
            throw DurableError(operation: "opendir", path: folder, errno: errno)
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let name = RawPath.text(bytes)
            if name.hasPrefix(".") { continue }
            let path = "\(folder)/\(name)"
            var status = stat()
            let isThere = name.withRawPath { fstatat(open.descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) } == 0
            guard isThere else { continue }  // gone since
            switch status.st_mode & S_IFMT {
            case S_IFDIR: watchTree(path)
            case _ where UnfinishedNames.contains(name): break
            case S_IFREG: found(path, FileSignature(status), open.isOpenForWriting(name))
            default: leaveAlone(path, status)
            }
        }
    }
}
