import Daemon
import FoundationEssentials
import Interface
import Logging
import Database
import Settings
import Testing
import VarlinkServer

/// Every method is either for everyone who may connect, or, if it makes changes, exports a model or shows a text, for
/// administrators. Members may add files to the inbox in any case, so also with `Put`.
/// A new method has to be added to one of the two lists.
@Suite struct AccessTests {
    static let asks: Set = [
        "GetStatus", "ListModels", "ListCorpora", "ListRuns", "ListGenerations", "GetMetrics", "Watch", "Describe",
        "DescribeTensor", "Doctor", "PlanTraining", "Put", "GetSettings", "ListEvents", "MeasureSpeed", "DescribeRun",
    ]
    static let changes: Set = [
        "Train", "CancelRun", "Promote", "RemoveCorpus", "Import", "Export", "Pause", "Resume", "RemoveGeneration",
        "PreviewCorpus",
    ]

    @Test func everyManagerMethodHasAnAccessLevel() {
        let declared = ManagerInterface.description.split(separator: "\n").filter { $0.hasPrefix("method ") }.map {
            String($0.dropFirst(7).prefix { $0 != "(" })
        }
        #expect(Self.asks.isDisjoint(with: Self.changes))
        #expect(Set(declared) == Self.asks.union(Self.changes))
    }

    @Test func methodsThatChangeStateRequireAdministrators() throws {
        let directory = StateDirectory(
            root: FileManager.default.temporaryDirectory.path + "/access-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: directory.root) }
        try directory.prepare(models: [])
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        try ManagerService.idle(in: directory).register(with: &service)
        for method in Self.asks { #expect(service.access(to: "io.kantaibert.Manager.\(method)") == .everyone) }
        for method in Self.changes { #expect(service.access(to: "io.kantaibert.Manager.\(method)") == .administrators) }
    }
}

extension ManagerService {
    /// A manager whose models have no generation.
    static func idle(
        in directory: StateDirectory, settings: Settings = .builtIn, metrics: StateStore? = nil,
        measureSpeed: @escaping @Sendable () async throws -> MachineSpeed = {
            MachineSpeed(float32: 1e9, memoryRead: 1e9)
        }
    ) throws -> ManagerService {
        let settings = ReloadableSettings(settings)
        let metrics = try metrics ?? StateStore(path: directory.metrics)
        let hub = EventHub()
        let registry = ModelRegistry(directory: directory)
        let journal = EventJournal(hub: hub, metrics: metrics, logger: .init(label: "test"))
        let admitted = CorpusCatalog(metrics: metrics, directory: directory, journal: journal)
        let promotions = PromotionService(
            settings: settings, directory: directory, metrics: metrics, journal: journal,
            registry: registry, program: "/nonexistent")
        let training = TrainingService(
            settings: settings, directory: directory, metrics: metrics, journal: journal,
            promotions: promotions, admitted: admitted, program: "/nonexistent")
        return ManagerService(
            settings: settings, directory: directory, metrics: metrics, registry: registry,
            training: training, promotions: promotions, hub: hub,
            admitted: admitted, journal: journal, version: "0", inboxPending: { 0 }, measureSpeed: measureSpeed)
    }
}
