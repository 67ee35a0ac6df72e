import Durable
import Events
import Formatting
import FoundationEssentials
import Glibc
import Logging
import Database
import ServiceLifecycle
import Settings
import Systemd
import UnixSignals
import Varlink
import VarlinkServer

/// The service: creates and runs the inbox, training, serving and the socket.
public struct KantaibertService: Sendable {
    /// Where the listening socket comes from.
    public enum Socket: Sendable, Equatable {
        /// Passed by systemd (socket activation).
        case descriptor(Int32)
        case path(String)
    }

    public struct Options: Sendable {
        public var settings: Settings
        public var directory: StateDirectory
        public var socket: Socket
        /// The path of `kantaibert-train`.
        public var trainProgram: String
        /// The path of `kantaibert-read`.
        public var readProgram: String
        /// Classifies the file system of the state directory.
        var fileSystem: @Sendable (_ path: String) -> StateFileSystem = { StateFileSystem(of: $0) }
        /// Reads the settings again from their source.
        public var readSettings: @Sendable () throws(SettingsError) -> Settings

        public init(
            settings: Settings, directory: StateDirectory, socket: Socket, trainProgram: String, readProgram: String,
            readSettings: @escaping @Sendable () throws(SettingsError) -> Settings
        ) {
            self.settings = settings
            self.readSettings = readSettings
            self.directory = directory
            self.socket = socket
            self.trainProgram = trainProgram
            self.readProgram = readProgram
        }
    }

    private let options: Options
    private let logger: Logger

    public init(options: Options, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT. Then the active run writes a checkpoint, calls in progress are finished, and the function
    /// returns.
    /// - Throws: `StartError` if another service uses the state directory or it cannot be written; errors of the socket and the
    ///   database
    public func run() async throws {
        MallocTuning.limitHeaps()
        let (settings, directory) = (options.settings, options.directory)
        let lock = try takeDirectory()
        defer { withExtendedLifetime(lock) {} }
        let live = ReloadableSettings(settings)
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let hub = EventHub()
        let logger = logger
        let recovery = Recovery(directory: directory, models: settings.models.map(\.name))
        let isMissing = access(directory.metrics, F_OK) != 0
        let metrics = try StateStore.renewable(path: directory.metrics) { renewal, metrics in
            let (found, problems) = recovery.refill(metrics)
            EventJournal(hub: hub, metrics: metrics, logger: logger).report(
                ServiceEvent(renewal, found: found, problems: problems))
        }
        let journal = EventJournal(hub: hub, metrics: metrics, logger: logger)
        defer { journal.flush() }
        if isMissing, recovery.isAnythingLeft(metrics.ledger) {
            let (found, problems) = recovery.refill(metrics)
            journal.report(ServiceEvent(missing: directory.metrics, found: found, problems: problems))
        }
        let registry = ModelRegistry(
            directory: directory, precision: settings.serving.precision, trainProgram: options.trainProgram)
        await openModels(registry, journal, metrics)
        journal.attempt("generations on disk were not recorded") { _ = try recovery.generations(metrics) }
        let indexes = CorpusIndexes(directory: directory, settings: live, journal: journal)
        let passages = PassageFiles(directory: directory, settings: live, journal: journal)
        let admitted = CorpusCatalog(
            metrics: metrics, directory: directory, journal: journal, indexes: indexes, passages: passages)
        admitted.sweep()
        indexes.sweep()
        let promotions = PromotionService(
            settings: live, directory: directory, metrics: metrics, journal: journal, registry: registry,
            program: options.trainProgram)
        let training = TrainingService(
            settings: live, directory: directory, metrics: metrics, journal: journal, promotions: promotions,
            admitted: admitted, program: options.trainProgram)
        let outcomes = InboxOutcomes()
        let inbox = try InboxService(
            settings: settings, live: live, directory: directory, reader: options.readProgram, metrics: metrics,
            admitted: admitted, journal: journal, training: training, outcomes: outcomes)
        let manager = ManagerService(
            settings: live, directory: directory, metrics: metrics, registry: registry, training: training,
            promotions: promotions, hub: hub, admitted: admitted, journal: journal, version: Release.version,
            transferFolder: transferFolder, outcomes: outcomes,
            inboxPending: { inbox.pendingCount })
        manager.clearLeftovers()
        let administrators = try Administrators(group: settings.socket.adminGroup)
        let questions = CorpusQuestions(
            settings: live, metrics: metrics, catalog: admitted, indexes: indexes, administrators: administrators,
            isForOneUser: geteuid() != 0 && hasSocketInDirectory && settings.socket.group == nil)
        var inference = InferenceService(settings: live, registry: registry) { await manager.explain($0) }
        inference.questions = questions
        inference.passages = passages
        inference.reviews = CorpusReviews(
            metrics: metrics, directory: directory, mayShowCorpusText: questions.checkAccess)
        let socket = SocketService(
            listener: listener, settings: settings, administrators: administrators, logger: logger,
            inference: inference,
            manager: manager
        ) {
            journal.report(ServiceEvent(.serviceReady, "kantaibertd \(Release.version) is ready"))
            SystemdNotify.ready()
        } whenStopping: {
            SystemdNotify.stopping()
            // The checkpoint is written while the last calls are answered.
            training.stop()
            outcomes.finish()
            indexes.stop()
            passages.stop()
            journal.report(ServiceEvent(.serviceStopping, "kantaibertd is stopping"))
            hub.finish()
        }
        let reload = ReloadService(
            signals: hangups, settings: live, read: options.readSettings, journal: journal, training: training)
        // Services stop in reverse order, one after the other; the watchdog is the last.
        var configuration = ServiceGroupConfiguration(
            services: [
                WatchdogService(), CheckpointService(metrics: metrics, journal: journal), training, inbox, reload,
                socket,
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() })
        configuration.maximumGracefulShutdownDuration = .seconds(settings.training.stopSeconds + 4)
        defer {
            journal.flush()
            journal.attempt("the database was not closed") { try metrics.close() }
        }
        try await ServiceGroup(configuration: configuration).run()
    }

    private func takeDirectory() throws(StartError) -> FileLock {
        let directory = options.directory
        do throws(DurableError) {
            try directory.prepare(
                models: options.settings.models.map(\.name),
                socketGroup: hasSocketInDirectory ? options.settings.socket.group : nil)
            let tightened = try directory.tighten()
            if !tightened.isEmpty {
                logger.notice(
                    "\(directory.root) was open to others: \(tightened.folders) folders and \(tightened.files) files are now private to the service"
                )
            }
        } catch {
            throw .stateDirectory(error)
        }
        try Self.check(options.fileSystem(directory.root), of: directory.root) { logger.warning("\($0)") }
        do throws(DurableError) {
            let lock = try FileLock(path: directory.lock)
            try TemporaryName.clearLeftovers(in: directory.root)
            return lock
        } catch {
            throw error.errno == EWOULDBLOCK ? .inUse(error) : .stateDirectory(error)
        }
    }

    /// - Throws: `StartError.networkFileSystem`
    package static func check(
        _ fileSystem: StateFileSystem, of path: String, warn: (String) -> Void
    ) throws(StartError) {
        switch fileSystem {
        case .local: break
        case .network(let type): throw .networkFileSystem(path: path, type: type)
        case .unknown(let type):
            warn(
                "the state directory \(path) is on a user-space file system (\(type)): if it does not implement locks and "
                    + "shared memory as the kernel does, the database will be corrupted")
        }
    }

    /// Whether the socket is in the state directory, as with `--state-dir`.
    private var hasSocketInDirectory: Bool {
        options.socket == .path("\(options.directory.root)/io.kantaibert")
    }

    private var listener: VarlinkServer.Listener {
        switch options.socket {
        case .descriptor(let descriptor): .descriptor(descriptor)
        case .path(let path):
            .path(path, mode: options.settings.socket.mode, group: options.settings.socket.group)
        }
    }

    /// The directory of the transfer sockets. It is next to the service's socket, so that clients that can reach one
    /// can reach the other.
    private var transferFolder: String? {
        let path: String? =
            switch options.socket {
            case .descriptor(let descriptor): UnixAddress.path(of: descriptor)
            case .path(let path): path
            }
        guard let path, let slash = path.lastIndex(of: "/") else { return nil }
        // The client's working directory may be a different one.
        let folder = path.hasPrefix("/") ? "" : FileManager.default.currentDirectoryPath + "/"
        return folder + path[..<slash] + "/transfer"
    }

    /// Loads the generations that were serving before the restart. The service starts even if one cannot be loaded.
    private func openModels(_ registry: ModelRegistry, _ journal: EventJournal, _ metrics: StateStore) async {
        for model in options.settings.models.map(\.name) {
            do {
                guard let serving = try await registry.loadCurrent(model) else { continue }
                journal.report(serving.event(run: nil))
                journal.attempt("generation \(serving.generation) of \(model) was not recorded") {
                    guard try metrics.generation(serving.generation, of: model)?.state != .serving else { return }
                    try metrics.save(serving.record(run: nil))
                }
            } catch {
                journal.report(
                    ServiceEvent(.generationDamaged, "\(model) cannot serve: \(error)", model: model))
            }
        }
    }
}
