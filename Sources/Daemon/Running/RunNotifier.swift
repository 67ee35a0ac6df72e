import AsyncSupport
import Database
import Durable
import Events
import FoundationEssentials
import Jobs
import Settings
import Supervision
import Synchronization

/// Runs `training.notify` once for each run that has finished or failed, one command at a time.
///
/// What is due is kept in `notify.json`. An entry is written before the end of its run is recorded, and removed before its
/// command starts: no run is forgotten if the service is killed in between, and none is announced twice.
actor RunNotifier {
    /// The end of a run.
    struct Notice: Codable, Sendable, Equatable {
        var run: String
        var model: String
        var state: RunRecord.State
        var generation: Int?
        var reason: String?

        /// The environment variables of the command. Their names are those of the fields in the journal.
        var environment: [String: String] {
            var variables = ["KB_RUN": run, "KB_MODEL": model, "KB_STATE": state.rawValue]
            variables["KB_GENERATION"] = generation.map(String.init)
            // A variable ends at NUL.
            variables["KB_REASON"] = reason.map { $0.replacing("\0", with: " ") }
            variables["PATH"] = "/usr/local/bin:/usr/bin:/bin"
            variables["LC_ALL"] = "C.UTF-8"
            return variables
        }
    }

    static let seconds = 60.0
    /// The oldest are dropped if there are more, which needs as many runs that end while one command runs.
    private static let mostNotices = 100
    private static let mostReason = 1_000
    private static let mostBytes = 1 << 20

    private let settings: ReloadableSettings
    private let journal: EventJournal
    private let path: String
    /// Set to kill the command that is running.
    private let flag = CancellationFlag()
    /// When no other command may start any more; nil until the service stops.
    private let stopped = Mutex<ContinuousClock.Instant?>(nil)
    private var due: [Notice]?
    private var work: Task<Void, Never>?

    init(settings: ReloadableSettings, directory: StateDirectory, journal: EventJournal) {
        self.settings = settings
        self.journal = journal
        path = directory.notices
    }

    /// Announces the runs that ended before the service was restarted.
    /// - Parameter isEnded: whether the end of a run was recorded; the others are resumed and end again
    func start(isEnded: @Sendable (String) -> Bool) {
        change { $0.removeAll { !isEnded($0.run) } }
        deliver()
    }

    /// Notes the end of a run. Call it before the end is recorded.
    func note(_ run: RunRecord) {
        guard !settings.current.training.notify.isEmpty, [.finished, .failed].contains(run.state) else { return }
        let notice = Notice(
            run: run.id, model: run.model, state: run.state, generation: run.generation,
            reason: run.reason.map { String($0.prefix(Self.mostReason)) })
        change { due in
            due.removeAll { $0.run == notice.run }
            due.append(notice)
            if due.count > Self.mostNotices { due.removeFirst() }
        }
    }

    /// Starts the commands that are due. Call it when the end is recorded.
    func deliver() {
        guard work == nil, !pending.isEmpty, !isStopped else { return }
        work = Task {
            while let notice = self.next() { await self.run(notice) }
            self.work = nil
        }
    }

    /// Starts no other command; those that are due are kept for the next start of the service.
    nonisolated func stop() { stopped.withLock { $0 = $0 ?? .now } }

    /// Returns when no command is running. One that takes longer than a run may take to stop is killed.
    func finish() async {
        guard let work else { return }
        let deadline = (stopped.withLock { $0 } ?? .now).advanced(by: .seconds(settings.current.training.stopSeconds))
        let alarm = Task { [flag] in
            guard (try? await Task.sleep(until: deadline)) != nil else { return }
            flag.cancel()
        }
        await work.value
        alarm.cancel()
    }

    private var isStopped: Bool { stopped.withLock { $0 != nil } }

    private func next() -> Notice? {
        guard !isStopped, let notice = pending.first else { return nil }
        change { $0.removeFirst() }
        return notice
    }

    private func run(_ notice: Notice) async {
        let command = settings.current.training.notify
        guard !command.isEmpty else { return }
        let process = LimitedCommand(command: command, environment: notice.environment, seconds: Self.seconds)
        let (ending, output) = await process.run(flag)
        guard ending != .status(0) else { return }
        let last = output.split(whereSeparator: \.isNewline).suffix(3).map { $0.prefix(200) }.joined(separator: " | ")
        journal.report(
            ServiceEvent(
                .problem,
                "training.notify failed for \(notice.run): \(command[0]): \(ending)"
                    + (last.isEmpty ? "" : " (\(last))"),
                model: notice.model, run: notice.run))
    }

    private var pending: [Notice] {
        if let due { return due }
        var read: [Notice] = []
        journal.attempt("the runs that training.notify has not announced yet were not read") {
            guard FileManager.default.fileExists(atPath: path) else { return }
            let bytes = try Durable.read(path, atMost: Self.mostBytes)
            read = Array(try JobCoding.decode([Notice].self, from: Data(bytes)).suffix(Self.mostNotices))
        }
        due = read
        return read
    }

    private func change(_ body: (inout [Notice]) -> Void) {
        var changed = pending
        body(&changed)
        guard changed != due else { return }
        due = changed
        journal.attempt("the runs that training.notify has to announce were not saved") {
            try Durable.write(try JobCoding.encode(changed), to: path)
        }
    }
}
