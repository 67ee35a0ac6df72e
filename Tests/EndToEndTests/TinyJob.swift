import Crypto
import Durable
import Foundation
import Glibc
import Jobs

/// A job for `kantaibert-train` that takes well under a second, in a folder that is removed with the last reference.
final class TinyJob {
    static let steps = 24
    static let saveSteps = 2

    let folder: String
    private(set) var job: Job
    var jobFile: String { "\(folder)/job.json" }
    /// The folder that contains the numbered model directories.
    var modelFolder: String { "\(folder)/models/test" }

    init(_ objective: Objective, change: (inout Job) -> Void = { _ in }) throws {
        folder = "/tmp/kantaibert-test-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
        let corpus = Data(Grammar.text(lines: 400, seed: 5).utf8)
        var recipe = RecipeName.default.recipe(for: objective)
        recipe.perDeviceTrainBatchSize = 8
        recipe.maxSteps = TinyJob.steps
        recipe.evalSteps = 10
        recipe.saveSteps = TinyJob.saveSteps
        recipe.learningRate = 3e-3
        // `auto` depends on the machine.
        recipe.precision = .float32
        job = Job(
            run: "test-1", model: "test", generation: 1, objective: objective,
            architecture: Preset.tiny.architecture, recipe: recipe,
            corpora: [
                JobCorpus(
                    sha256: SHA256.hash(data: corpus).hexadecimal, name: "corpus.txt", path: "\(folder)/corpus.txt",
                    bytes: corpus.count)
            ], samples: objective == .mlm ? .lines : .paragraphs, filters: [], tokenizer: nil,
            wordCountsDirectory: "\(folder)/word-counts",
            runDirectory: "\(folder)/run", outputDirectory: "\(folder)/models/test/1")
        try startOver(change)
        try corpus.write(to: URL(filePath: "\(folder)/corpus.txt"))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Removes all results and prepares a new run.
    func startOver(_ change: (inout Job) -> Void = { _ in }) throws {
        change(&job)
        for path in [job.runDirectory, modelFolder, "\(folder)/word-counts"] {
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        try JobCoding.encode(job, pretty: true).write(to: URL(filePath: jobFile))
    }

    /// Runs the job to completion.
    /// - Parameter meanwhile: called after the process has been started
    func run(
        threads: Int, environment: [String: String] = [:], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Programs.Output {
        try Programs.run(
            "kantaibert-train", ["run", jobFile],
            environment: environment.merging(["KANTAIBERT_THREADS": "\(threads)"]) { $1 }, meanwhile: meanwhile)
    }

    /// Returns the SHA-256 of every file in the model directory, by name; nil if there is no such directory.
    func published() throws -> [String: String]? {
        let directory = job.outputDirectory
        guard FileManager.default.fileExists(atPath: directory) else { return nil }
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        return try Dictionary(uniqueKeysWithValues: names.map { ($0, try sha256(ofFile: "\(directory)/\($0)")) })
    }
}

/// Returns the temporary files that killed processes left in a folder, at any depth.
func leftovers(in folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter {
        TemporaryName.isLeftover(URL(filePath: $0).lastPathComponent)
    }
}

extension Programs.Output {
    /// Decodes the events of a run, without a last line that was cut off by a kill.
    func runEvents() throws -> [RunEvent] {
        try output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
            try JobCoding.decode(RunEvent.self, from: Data($0.utf8))
        }
    }
}

extension [RunEvent] {
    var started: RunEvent.Started? {
        lazy.compactMap { if case .started(let started) = $0.payload { started } else { nil } }.first
    }
    var published: RunEvent.Published? {
        lazy.compactMap { if case .published(let published) = $0.payload { published } else { nil } }.first
    }
}

func sha256(ofFile path: String) throws -> String {
    SHA256.hash(data: try Data(contentsOf: URL(filePath: path))).hexadecimal
}

extension SHA256.Digest {
    var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
