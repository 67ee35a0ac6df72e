import Daemon
import FoundationEssentials
import Glibc
import Jobs
import Logging
import Settings
import VarlinkServer

/// Runs the service's inference part on a temporary socket.
enum InferServer {
    /// Serves each directory as generation 1 of a model while `body` runs.
    static func with(
        mlm: String?, clm: String?, precision: ServingPrecision,
        _ body: @Sendable @escaping (_ socket: String) async throws -> Void
    ) async throws {
        let root = FileManager.default.temporaryDirectory.path + "/kb-bench-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let directory = StateDirectory(root: root)
        var models: [ModelSettings] = []
        for (name, objective, source) in [("mlm", Objective.mlm, mlm), ("clm", .clm, clm)] {
            guard let source else { continue }
            try link(source, to: directory.generation(1, of: name))
            try FileManager.default.createSymbolicLink(
                atPath: directory.current(of: name), withDestinationPath: "1")
            models.append(ModelSettings(name: name, objective: objective))
        }
        let registry = ModelRegistry(directory: directory, precision: precision)
        for model in models { _ = try await registry.loadCurrent(model.name) }

        var settings = Settings.builtIn
        settings.models = models
        var service = VarlinkService(vendor: "kantaibert", product: "kb-bench", version: "0", url: "")
        InferenceService(settings: ReloadableSettings(settings), registry: registry, state: { _ in "" })
            .register(with: &service)
        let socket = root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket, mode: 0o600), logger: Logger(label: "kb-bench"))
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { isListening.finish() }
                try await server.run { isListening.yield() }
            }
            group.addTask {
                for await _ in listening {
                    try await body(socket)
                    return
                }
            }
            // The first task to end is the body, or a server that could not listen.
            try await group.next()
            group.cancelAll()
        }
    }

    /// Creates a folder of hard links to the model's files, or of copies on another file system, because serving follows
    /// no symbolic links. Includes existing packed weights; newly packed weights are deleted with the folder. Without
    /// `training_args.json` the whole position table is served: only speed is measured, which is the same for untrained
    /// positions.
    private static func link(_ source: String, to folder: String) throws {
        let files = FileManager.default
        let absolute = source.hasPrefix("/") ? source : files.currentDirectoryPath + "/" + source
        try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for file in try files.contentsOfDirectory(atPath: absolute) where file != "training_args.json" {
            let (from, to) = (absolute + "/" + file, folder + "/" + file)
            do { try files.linkItem(atPath: from, toPath: to) } catch { try files.copyItem(atPath: from, toPath: to) }
        }
    }
}
