import Datasets
import FoundationEssentials
import Jobs
import Synchronization
import Training

/// A tiny job in a temporary folder, which is removed with the last reference to it.
final class TrainingRun {
    var job: Job
    let folder: String
    var memoryLimit: Int?
    var diskReserve = 0
    private(set) var events: [RunEvent.Payload] = []
    private(set) var notes: [String] = []

    init(_ objective: Objective, lines: Int = 400) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "training-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let text = TrainingRun.text(lines: lines)
        try Data(text.utf8).write(to: URL(filePath: "\(folder)/corpus.txt"))
        var recipe = RecipeName.default.recipe(for: objective)
        recipe.perDeviceTrainBatchSize = 8
        recipe.numTrainEpochs = 4
        recipe.cutProbability = 0
        recipe.maxTime = .none
        recipe.maxSteps = 24
        recipe.evalSteps = 10
        recipe.saveSteps = 6
        recipe.loadBestModelAtEnd = false
        recipe.learningRate = 3e-3
        job = Job(
            run: "test-1", model: "test", generation: 1, objective: objective,
            architecture: Preset.tiny.architecture, recipe: recipe,
            corpora: [try JobCorpus(file: "\(folder)/corpus.txt", name: "corpus.txt")],
            samples: objective == .mlm ? .lines : .paragraphs, filters: [], tokenizer: nil, wordCountsDirectory: nil,
            runDirectory: "\(folder)/run",
            outputDirectory: "\(folder)/models/test/1")
    }

    /// Returns lines with a repeating pattern and a blank line after every third.
    private static func text(lines: Int) -> String {
        let subjects = ["reason", "the understanding", "experience", "the will", "a concept", "intuition"]
        let verbs = ["contains", "presupposes", "determines", "limits", "unites"]
        return (0..<lines).map { line in
            let sentence = "\(subjects[line % 6]) \(verbs[line / 6 % 5]) \(subjects[line / 30 % 6]) in case \(line)."
            return line % 3 == 2 ? sentence + "\n\n" : sentence + "\n"
        }.joined()
    }

    /// Runs the job in its current configuration.
    /// - Parameter onEvent: called synchronously with every event; may send commands to the run
    @discardableResult
    func run(_ onEvent: (RunEvent.Payload, RunControl) -> Void = { _, _ in }) throws(TrainingError) -> Trainer.Outcome {
        let control = RunControl()
        events = []
        notes = []
        return try withoutActuallyEscaping(onEvent) { onEvent throws(TrainingError) in
            let trainer = Trainer(
                job: job, control: control, memoryLimit: memoryLimit, diskReserve: diskReserve,
                report: { payload in
                    self.events.append(payload)
                    onEvent(payload, control)
                }, note: { self.notes.append($0) })
            return try trainer.run()
        }
    }

    var started: RunEvent.Started? {
        events.lazy.compactMap { if case .started(let started) = $0 { started } else { nil } }.first
    }

    var preflight: RunEvent.Preflight? {
        events.lazy.compactMap { if case .preflight(let preflight) = $0 { preflight } else { nil } }.first
    }

    var steps: [RunEvent.Step] { events.compactMap { if case .step(let step) = $0 { step } else { nil } } }

    var evaluations: [RunEvent.Evaluation] {
        events.compactMap { if case .evaluation(let evaluation) = $0 { evaluation } else { nil } }
    }

    var summary: TextSummary? {
        events.lazy.compactMap { if case .textSummary(let summary) = $0 { summary } else { nil } }.first
    }

    var warnings: [String] {
        events.compactMap { if case .textWarning(let warning) = $0 { warning.message } else { nil } }
    }

    /// Replaces the corpus.
    func replaceCorpus(_ text: String) throws {
        let path = job.corpora[0].path
        try Data(text.utf8).write(to: URL(filePath: path))
        job.corpora = [try JobCorpus(file: path, name: "corpus.txt")]
    }

    var checkpoints: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: job.runDirectory)) ?? []
        return names.filter { $0.hasPrefix("checkpoint-") }.sorted()
    }

    /// Removes the results of earlier runs.
    func startOver() throws {
        for path in [job.runDirectory, "\(folder)/models"] where FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

extension Trainer.Outcome {
    var sha256: String? { if case .published(let published) = self { published.modelSha256 } else { nil } }
    var interruptedStep: Int? { if case .interrupted(let step) = self { step } else { nil } }
}
