import AsyncSupport
import Dispatch
import Durable
import FoundationEssentials
import Inference
import Kernels
import Supervision

/// A generation that answers.
public struct ServingModel: Sendable {
    public let name: String
    public let generation: Int
    public let engine: InferenceEngine
}

/// Which generation of each model answers. A request keeps the one it began with.
public actor ModelRegistry {
    private let directory: StateDirectory
    nonisolated let precision: WeightPrecision
    /// Opens what nobody has opened yet; nil opens it here.
    nonisolated let process: ModelProcess?
    private var serving: [String: ServingModel] = [:]
    private var newestRequest: [String: Int] = [:]
    /// Of those that a person has made.
    private var newestWish: [String: Int] = [:]

    /// - Parameter trainProgram: the path of `kantaibert-train`, which opens what nobody has opened yet, in a process of
    ///   its own; nil opens it in this one
    public init(directory: StateDirectory, precision: ServingPrecision = .auto, trainProgram: String? = nil) {
        self.directory = directory
        self.precision = precision.weights
        process = trainProgram.map { ModelProcess(program: $0) }
    }

    public func model(_ name: String) -> ServingModel? { serving[name] }

    /// Serves what `models/NAME/current` points to.
    /// - Returns: nil where no generation has been published yet
    /// - Throws: `InferenceError` where the directory cannot be read; what served before goes on.
    public func loadCurrent(_ name: String) async throws -> ServingModel? {
        guard let generation = directory.currentGeneration(of: name) else { return nil }
        return try await open(name, generation)
    }

    /// Opens a generation, points `models/NAME/current` to it and serves it.
    /// - Parameters:
    ///   - isByHand: a person wants it: only another person's newer wish overtakes it, whatever the gate lets through
    ///     meanwhile
    ///   - beforeServing: called when it is open, just before `current` points to it; what it throws leaves all as it was
    /// - Returns: nil where a newer request has overtaken this one
    /// - Throws: `InferenceError` or `DurableError`, and what `beforeServing` throws; what served before goes on.
    public func promote(
        _ name: String, to generation: Int, isManual: Bool = false, beforeServing: @Sendable () throws -> Void = {}
    ) async throws -> ServingModel? {
        try await open(name, generation, isManual: isManual) { [directory] in
            try beforeServing()
            try Durable.switchSymbolicLink(at: directory.current(of: name), to: "\(generation)")
        }
    }

    private func open(
        _ name: String, _ generation: Int, isManual: Bool = false, beforeServing: @Sendable () throws -> Void = {}
    ) async throws -> ServingModel? {
        let mine = newestRequest[name, default: 0] + 1
        newestRequest[name] = mine
        if isManual { newestWish[name] = mine }
        let engine = try await load(directory.generation(generation, of: name))
        // We have awaited: a newer request may have begun.
        guard mine == (isManual ? newestWish : newestRequest)[name] else { return nil }
        try beforeServing()
        let model = ServingModel(name: name, generation: generation, engine: engine)
        serving[name] = model
        // What opening took, and soon the generation before.
        Self.queue.async { MallocTuning.giveBack() }
        return model
    }

    /// Reading and hashing hundreds of megabytes is not for the threads of Swift's concurrency.
    private static let queue = DispatchQueue(label: "io.kantaibert.models.load")

    /// What was checked once, and is the same still, is opened here; anything else is checked by a process first.
    private func load(_ path: String) async throws -> InferenceEngine {
        let precision = precision
        var known = await Self.queue.run { CheckedFile.modelSHA256(ofDirectory: path, precision) }
        if known == nil, let process {
            if let reason = try await process.check(path, precision: precision.rawValue) {
                throw InferenceError.load(path: path, reason: reason)
            }
            known = await Self.queue.run { CheckedFile.modelSHA256(ofDirectory: path, precision) }
        }
        return try await Self.queue.run { [known] in
            let engine = try InferenceEngine(directory: path, precision: precision, modelSHA256: known)
            if known == nil { try engine.requireFiniteAnswer() }
            return engine
        }
    }
}
