import Crypto
import Digests
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Models
import SettingsTable

/// The state of a run other than its tensors, stored as `checkpoint.json`.
///
/// Neither random state nor the data position is stored: both are derived from the seed and the step.
struct CheckpointState: Codable, Equatable {
    /// Version of the checkpoint format.
    static let currentVersion = 2
    var version = currentVersion
    /// Completed steps, including skipped ones.
    var step: Int
    /// Optimizer updates; used for bias correction.
    var updates: Int
    /// Time spent training, in seconds.
    var elapsedSeconds: Double
    /// Number of consecutive skipped steps up to this one.
    var badSteps: Int
    /// Results of the evaluations so far.
    var evaluations: EvaluationHistory
    /// Properties of the job, used to reject a checkpoint of another job.
    var identity: Identity
    /// SHA-256 of `state.safetensors`.
    var stateSha256: String

    /// A description of the first value that no run could have written, or nil. The step is used as
    /// a 32-bit Philox counter.
    var failureReason: String? {
        if !(0..<Int(UInt32.max)).contains(step) { return "`step` is \(step)" }
        if !(0...step).contains(updates) { return "`updates` is \(updates) at step \(step)" }
        if !(0...step).contains(badSteps) { return "`bad_steps` is \(badSteps) at step \(step)" }
        if !(0..<1e12).contains(elapsedSeconds) { return "`elapsed_seconds` is \(elapsedSeconds)" }
        if !identity.architecture.isComplete { return "a number of `architecture` is missing" }
        return evaluations.failureReason(atStep: step)
    }

    struct Identity: Codable, Equatable {
        var objective: Objective
        /// Includes the actual number of embedding rows.
        var architecture: Architecture
        var seed: UInt64
        var optimizer: OptimizerName
        var samplesPerStep: Int
        /// Digest of the tokenizer files.
        var tokenizer: String
        var trainingTokens: Int
        var trainingRows: Int
        /// SHA-256 of the weights that the run started from; nil for random weights.
        var start: String?
    }
}

private struct CheckpointVersion: Decodable {
    var version: Int
}

/// The folders `checkpoint-N` of a run. Each contains `state.safetensors` (the parameters and, under PyTorch's names,
/// the moments `exp_avg.*` and `exp_avg_sq.*`) and `checkpoint.json`, and is published atomically by a rename.
struct CheckpointStore {
    let directory: String
    let identity: CheckpointState.Identity
    private static let prefix = "checkpoint-"
    private static let firstMoment = "exp_avg."
    private static let secondMoment = "exp_avg_sq."

    /// Writes a checkpoint and deletes the oldest ones beyond `limit`, except the checkpoint of step `kept`.
    /// - Returns: the checkpoint's folder
    func save(_ trainStep: TrainStep, state: CheckpointState, limit: Int, keeping kept: Int?) throws -> String {
        let path = path(ofStep: state.step)
        let tensors =
            trainStep.model.parameters.tensorsToWrite()
            + trainStep.optimizer.firstMoment.tensorsToWrite(prefix: CheckpointStore.firstMoment)
            + trainStep.optimizer.secondMoment.tensorsToWrite(
                prefix: CheckpointStore.secondMoment, where: trainStep.optimizer.hasSecondMoment)
        try Durable.publishDirectory(path) { aside in
            try SafetensorsFile.write(tensors, to: "\(aside)/state.safetensors")
            var state = state
            state.stateSha256 = try SHA256.hash(ofFile: "\(aside)/state.safetensors").hexadecimal
            try Durable.write(JobCoding.encode(state, pretty: true), to: "\(aside)/checkpoint.json")
            // An existing checkpoint of this step is damaged: otherwise the run would have resumed from it.
            try Durable.removeWhole(path)
        }
        for old in try steps().dropLast(limit) where old != kept { try Durable.removeWhole(self.path(ofStep: old)) }
        return path
    }

    /// Restores the newest intact checkpoint into `trainStep`. Returns nil if there are no checkpoints.
    /// - Parameter note: called with a message for each damaged checkpoint that is skipped
    /// - Throws: `TrainingError.foreignCheckpoint`; `.damagedCheckpoint` if there are checkpoints but none is intact
    func restore(into trainStep: TrainStep, note: (String) -> Void) throws -> CheckpointState? {
        var newestFlaw: TrainingError?
        for step in try steps().reversed() {
            let path = path(ofStep: step)
            do {
                let state = try load(path, into: trainStep)
                guard state.step == step else {
                    throw TrainingError.damagedCheckpoint(
                        path: "\(path)/checkpoint.json", reason: "contains step \(state.step)")
                }
                return state
            } catch {
                let (place, reason) =
                    switch error {
                    case TrainingError.foreignCheckpoint: throw error
                    case TrainingError.damagedCheckpoint(let place, let reason): (place, reason)
                    default: (path, "\(error)")
                    }
                note("skipping a damaged checkpoint: \(place): \(reason)")
                newestFlaw = newestFlaw ?? .damagedCheckpoint(path: place, reason: reason)
            }
        }
        if let newestFlaw { throw newestFlaw }
        return nil
    }

    /// Restores the parameters of an earlier step into `model`.
    /// - Throws: `TrainingError.foreignCheckpoint`, `.damagedCheckpoint`
    func restoreParameters(ofStep step: Int, into model: RobertaModel) throws {
        let path = path(ofStep: step)
        do {
            let (_, file) = try open(path)
            try model.parameters.read(from: file)
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.damagedCheckpoint(path: path, reason: "\(error)")
        }
    }

    private func path(ofStep step: Int) -> String { "\(directory)/\(CheckpointStore.prefix)\(step)" }

    private func load(_ path: String, into trainStep: TrainStep) throws -> CheckpointState {
        let (state, file) = try open(path)
        let optimizer = trainStep.optimizer
        try trainStep.model.parameters.read(from: file)
        try optimizer.firstMoment.read(from: file, prefix: CheckpointStore.firstMoment)
        try optimizer.secondMoment.read(
            from: file, prefix: CheckpointStore.secondMoment, where: optimizer.hasSecondMoment)
        optimizer.updates = state.updates
        return state
    }

    /// Opens a checkpoint and checks that it is intact and belongs to this job.
    private func open(_ path: String) throws -> (state: CheckpointState, file: SafetensorsFile) {
        let json = Data(try Durable.read("\(path)/checkpoint.json", atMost: 1 << 20))
        let state: CheckpointState
        do {
            // Decode the version first: the rest of the file may differ between versions.
            let version = try JobCoding.decode(CheckpointVersion.self, from: json).version
            guard version == CheckpointState.currentVersion else {
                throw TrainingError.damagedCheckpoint(
                    path: "\(path)/checkpoint.json",
                    reason: "has version \(version), expected \(CheckpointState.currentVersion)")
            }
            state = try JobCoding.decode(CheckpointState.self, from: json)
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.damagedCheckpoint(path: "\(path)/checkpoint.json", reason: "\(error)")
        }
        if let failureReason = state.failureReason {
            throw TrainingError.damagedCheckpoint(path: "\(path)/checkpoint.json", reason: failureReason)
        }
        try state.identity.require(identity, path: path)
        let digest = try SHA256.hash(ofFile: "\(path)/state.safetensors").hexadecimal
        guard digest == state.stateSha256 else {
            throw TrainingError.damagedCheckpoint(
                path: "\(path)/state.safetensors", reason: "SHA-256 is \(digest), expected \(state.stateSha256)")
        }
        return (state, try SafetensorsFile(path: "\(path)/state.safetensors"))
    }

    /// Returns the number of checkpoints in a run's folder.
    static func count(in directory: String) -> Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).count { $0.hasPrefix(prefix) }
    }

    /// Returns the steps of all checkpoints in ascending order.
    private func steps() throws -> [Int] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw DurableError(operation: "readdir", path: directory, errno: EIO, hint: "\(error)")
        }
        return names.filter { $0.hasPrefix(CheckpointStore.prefix) }
            .compactMap { Int($0.dropFirst(CheckpointStore.prefix.count)) }.filter { $0 >= 0 }.sorted()
    }
}

extension CheckpointState.Identity {
    /// Checks that a checkpoint belongs to the expected job.
    /// - Throws: `TrainingError.foreignCheckpoint` with the first key that differs
    fileprivate func require(_ expected: Self, path: String) throws {
        func require(_ key: String, _ expected: some Equatable, _ found: some Equatable) throws {
            guard "\(expected)" != "\(found)" else { return }
            throw TrainingError.foreignCheckpoint(path: path, key: key, expected: "\(expected)", found: "\(found)")
        }
        try require("objective", expected.objective, objective)
        for setting in Architecture.settings.map(\.setting) {
            try require(
                "architecture.\(setting.key)", setting.text(of: expected.architecture), setting.text(of: architecture))
        }
        try require("recipe.seed", expected.seed, seed)
        try require("recipe.optimizer", expected.optimizer.rawValue, optimizer.rawValue)
        try require("recipe.per_device_train_batch_size", expected.samplesPerStep, samplesPerStep)
        try require("start", expected.start ?? "fresh", start ?? "fresh")
        try require("tokenizer", expected.tokenizer, tokenizer)
        try require("corpora", "\(expected.trainingRows) rows", "\(trainingRows) rows")
        try require("corpora", "\(expected.trainingTokens) tokens", "\(trainingTokens) tokens")
        try require("identity", expected, self)
    }
}
