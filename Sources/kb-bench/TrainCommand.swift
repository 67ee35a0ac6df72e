import ArgumentParser
import Datasets
import Durable
import FoundationEssentials
import Jobs
import Kernels
import Models
import Tokenizers
import Training

extension Objective: ExpressibleByArgument {}
extension Preset: ExpressibleByArgument {}

/// Precision of matrix products.
enum BenchPrecision: String, ExpressibleByArgument, CaseIterable {
    case fp32, bf16, auto
}

/// Measures training speed under the conditions of `hf_train_bench.py`: lines of a corpus, block
/// size 128, with dropout.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Measure training steps in tokens per second, excluding padding.")

    @Option(help: "Precision: fp32, bf16, or auto, which is the one that a run would choose on this machine.")
    var precision: BenchPrecision = .fp32
    @Option(help: "The machine.json of a state directory, for --precision auto; by default the CPU is measured.")
    var machineFile: String?
    @Option(help: "Objective: mlm or clm.") var objective: Objective
    @Option(help: "Model size: kantaibert, small or tiny.") var preset: Preset = .kantaibert
    @Option(help: "A text file; every line that is not blank is a sample.") var corpus: String
    @Option(help: "Number of steps; the median excludes the first four.") var steps: Int = 16
    @Option(help: "Number of samples per step.") var batch: Int = 64
    @Option(help: "A tokenizer directory; by default a tokenizer is trained on the corpus.") var tokenizer: String?

    func validate() throws {
        guard steps > TrainMeasurement.warmupSteps else {
            throw ValidationError("--steps: expected more than \(TrainMeasurement.warmupSteps), found \(steps)")
        }
        guard batch >= 1 else { throw ValidationError("--batch: expected at least 1, found \(batch)") }
        guard precision != .bf16 || Precision.hasBFloat16 else {
            throw ValidationError("--precision: this CPU does not support bfloat16 (AVX512_BF16)")
        }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "kb-bench-\(UUID().uuidString)").path
        try Durable.makeDirectory(folder)
        defer { try? Durable.removeTree(folder) }
        let result = try measure(folder: folder)
        print(try jsonLine(result))
    }

    private func measure(folder: String) throws -> TrainMeasurement {
        var recipe = RecipeName.seed.recipe(for: objective)
        recipe.perDeviceTrainBatchSize = batch
        recipe.maxSteps = steps
        let architecture = preset.architecture
        let vocabulary = architecture.vocabSize ?? 52_000
        let tokenizer = try loadTokenizer(vocabularySize: vocabulary, minFrequency: recipe.minFrequency)
        guard tokenizer.vocabularySize <= vocabulary else {
            throw ValidationError(
                "--tokenizer: the vocabulary size is \(tokenizer.vocabularySize), the preset supports \(vocabulary)")
        }
        let source = ShardSource(
            corpora: [try JobCorpus(file: corpus, name: corpus)], objective: objective, unit: .lines,
            filters: [], blockSize: recipe.blockSize, heldOut: 0, tokenizerDigest: "")
        let shards = try TokenShards.build(directory: folder, source: source, tokenizer: tokenizer)
        guard shards.training.rows >= batch else {
            throw ValidationError("--corpus: expected at least \(batch) lines, found \(shards.training.rows)")
        }
        let configuration = try RobertaConfiguration(architecture, rows: vocabulary, objective: objective)
        let (products, reason) = choosePrecision()
        let cost = StepCost(configuration: configuration)
        var batcher = Batcher(
            shard: shards.training, objective: objective, batchSize: batch, recipe: recipe,
            tokenizerVocabulary: tokenizer.vocabularySize)
        let first = batcher.batch(step: 0)
        let rate = cost.productRate(tokens: first.tokens, scoredRows: first.scoredRows.count, precision: products)
        let trainStep = TrainStep(
            model: RobertaModel.initialized(configuration: configuration, seed: recipe.seed), recipe: recipe,
            plan: MicrobatchPlan(
                configuration: configuration, recipe: recipe, longestRow: shards.training.totals.longestRow),
            precision: products)
        let schedule = LearningRateSchedule(recipe: recipe, stepsPerEpoch: batcher.stepsPerEpoch)

        var timings: [TrainMeasurement.Timing] = []
        var loss = 0.0
        for step in 0..<steps {
            let start = ContinuousClock.now
            let batch = batcher.batch(step: step)
            let outcome = try trainStep.learn(
                batch, step: step, learningRate: schedule.learningRate(step: step, elapsedSeconds: 0))
            loss = outcome.loss
            timings.append(
                .init(
                    tokens: batch.tokens, flops: cost.flops(of: batch),
                    seconds: (ContinuousClock.now - start) / .seconds(1)))
        }
        return TrainMeasurement(
            precision: (products == .bfloat16 ? BenchPrecision.bf16 : .fp32).rawValue, precisionReason: reason,
            objective: objective, preset: preset, batch: batch, timings: timings,
            productRate: rate, parameters: trainStep.model.parameters.layout.count, lastLoss: loss)
    }

    /// Returns the precision of products, and for `auto` why it was chosen.
    private func choosePrecision() -> (Precision, reason: String?) {
        switch precision {
        case .fp32: return (.float32, nil)
        case .bf16: return (.bfloat16, nil)
        case .auto:
            var notes: [String] = []
            let rates = MachineProfile.current(file: machineFile) { notes.append($0) }.rates
            return (rates.fastestPrecision, ([rates.reason] + notes).joined(separator: "; "))
        }
    }

    private func loadTokenizer(vocabularySize: Int, minFrequency: Int) throws -> ByteLevelBPETokenizer {
        if let tokenizer { return try ByteLevelBPETokenizer.load(directory: tokenizer) }
        let trainer = try BPETrainer(vocabularySize: vocabularySize, minFrequency: minFrequency)
        try trainer.addFile(corpus)
        return try trainer.train()
    }
}
