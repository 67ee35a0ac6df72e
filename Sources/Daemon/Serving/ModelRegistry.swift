import AsyncSupport
import Dispatch
import Durable
import FoundationEssentials
import Inference
import Jobs
import Kernels
import Settings
import Supervision

/// A generation that is loaded and answers requests.
public struct ServingModel: Sendable {
    public let name: String
    public let generation: Int
    public let engine: InferenceEngine
    /// The precision of its weights, and why.
    public let precision: PrecisionChoice
}

/// Maps each model to the generation that serves. A request uses the same generation from beginning to end.
public actor ModelRegistry {
    private let directory: StateDirectory
    package nonisolated let precisions: PrecisionPolicy
    /// Loads a generation for the first time, in a separate process; nil loads it in this process.
    nonisolated let process: ModelProcess?
    private var serving: [String: ServingModel] = [:]
    private var newestRequest: [String: Int] = [:]
    /// Newest request of an administrator, by model.
    private var newestWish: [String: Int] = [:]

    /// - Parameters:
    ///   - trainProgram: the path of `kantaibert-train`, which loads generations for the first time, in a separate process;
    ///     nil loads them in this process
    ///   - rates: of this machine; nil reads them from the state directory, or measures and stores them
    public init(
        directory: StateDirectory, precision: ServingPrecision = .auto, trainProgram: String? = nil,
        rates: InstructionRates? = nil
    ) {
        self.directory = directory
        precisions = PrecisionPolicy(
            precision, rates: rates ?? MachineProfile.current(file: directory.machine).rates)
        process = trainProgram.map { ModelProcess(program: $0) }
    }

    public func model(_ name: String) -> ServingModel? { serving[name] }

    /// Serves the generation that `models/NAME/current` points to.
    /// - Returns: nil if no generation has been published yet
    /// - Throws: `InferenceError` if it cannot be loaded. The previous generation then continues to serve.
    public func loadCurrent(_ name: String) async throws -> ServingModel? {
        guard let generation = directory.currentGeneration(of: name) else { return nil }
        return try await open(name, generation)
    }

    /// Loads a generation, points `models/NAME/current` to it and serves it.
    /// - Parameters:
    ///   - isManual: whether an administrator requested it. Then only a newer request of an administrator supersedes it, not a
    ///     candidate that passes the gate in the meantime.
    ///   - beforeServing: called when it is loaded, just before `current` points to it. If it throws, nothing changes.
    /// - Returns: nil if a newer request has superseded this one
    /// - Throws: `InferenceError`, `DurableError`, or what `beforeServing` throws. The previous generation then continues to serve.
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
        let (engine, precision) = try await load(directory.generation(generation, of: name))
        // A newer request may have started during the await.
        guard mine == (isManual ? newestWish : newestRequest)[name] else { return nil }
        try beforeServing()
        let model = ServingModel(name: name, generation: generation, engine: engine, precision: precision)
        serving[name] = model
        // Returns the memory used for loading to the system, and soon that of the previous generation.
        Self.queue.async { MallocTuning.giveBack() }
        return model
    }

    /// Reads and hashes hundreds of megabytes, which must not block the cooperative thread pool.
    private static let queue = DispatchQueue(label: "io.kantaibert.models.load")

    /// Loads a directory. If it has changed since the last check, a separate process checks it first.
    private func load(_ path: String) async throws -> (InferenceEngine, PrecisionChoice) {
        let rates = precisions.rates
        let choice = await Self.queue.run { [precisions] in
            precisions.choice(MeasuredPrecisions.read(directory: path))
        }
        let precision = choice.precision
        var known = await Self.queue.run { CheckedFile.modelSHA256(ofDirectory: path, precision) }
        if known == nil, let process {
            if let reason = try await process.check(path, precision: precision.rawValue) {
                throw InferenceError.load(path: path, reason: reason)
            }
            known = await Self.queue.run { CheckedFile.modelSHA256(ofDirectory: path, precision) }
        }
        let engine = try await Self.queue.run { [known] in
            let engine = try InferenceEngine(directory: path, precision: precision, modelSHA256: known, rates: rates)
            if known == nil { try engine.requireFiniteAnswer() }
            return engine
        }
        return (engine, choice)
    }
}
