import Datasets
import FoundationEssentials
import Jobs
import Models
import Testing
import Tokenizers
import Training

@Test(arguments: Objective.allCases)
func runPublishesModelDirectory(objective: Objective) throws {
    let run = try TrainingRun(objective)
    try run.run()
    guard case .published(let published) = run.events.last else {
        Issue.record("the last event is \(String(describing: run.events.last))")
        return
    }
    let directory = run.job.outputDirectory
    let model = try RobertaModel.load(directory: directory)
    #expect(model.configuration.isDecoder == (objective == .clm))
    #expect(model.parameters.layout.count == published.parameters)
    let tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
    let arguments = try JobCoding.decode(
        TrainingArguments.self, from: Data(contentsOf: URL(filePath: "\(directory)/training_args.json")))
    #expect(arguments.run == run.job.run)
    #expect(arguments.recipe == run.job.recipe)
    #expect(arguments.tokenizerVocabulary == tokenizer.vocabularySize)
    #expect(arguments.steps == 24)
    #expect(arguments.longestPosition > 2 && arguments.longestPosition <= run.job.recipe.blockSize)
    #expect(arguments.evaluation == published.evaluation)
    var files: Set = [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "vocab.json", "merges.txt", "training_args.json",
    ]
    if objective == .clm { files.insert("generation_config.json") }
    #expect(Set(try FileManager.default.contentsOfDirectory(atPath: directory)) == files)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(run.folder)/models/test") == ["1"])
}

@Test(arguments: Objective.allCases)
func lossDecreasesAndEveryStepIsReported(objective: Objective) throws {
    let run = try TrainingRun(objective)
    run.job.recipe.maxSteps = 120
    run.job.recipe.evalSteps = 60
    run.job.recipe.numTrainEpochs = 100
    try run.run()
    #expect(run.steps.map(\.step) == Array(1...120))
    #expect(run.steps.allSatisfy { $0.loss.isFinite && $0.gradientNorm > 0 && $0.tokens > 0 })
    #expect(run.steps.last?.learningRate ?? 1 < run.job.recipe.learningRate / 50)
    #expect(run.evaluations.map(\.step) == [60, 120])
    let loss = try #require(run.evaluations.last?.loss)
    // The initial loss is ln 512.
    #expect(loss < 6.238 - 1.5, "\(loss)")
    #expect(run.evaluations[1].loss < run.evaluations[0].loss)
}

@Test(arguments: [SampleUnit.paragraphs, .packed])
func bitsPerByteMatchesDefinition(samples: SampleUnit) throws {
    let run = try TrainingRun(.clm)
    run.job.samples = samples
    try run.run()
    let evaluation = try #require(run.evaluations.last)
    // Every held-out token and `</s>` is scored once; the tokenizer determines the tokens.
    let tokenizer = try ByteLevelBPETokenizer.load(directory: run.job.outputDirectory)
    let text = try String(contentsOf: URL(filePath: run.job.corpora[0].path), encoding: .utf8)
    let paragraphs = text.split(separator: "\n\n").map { $0.split(separator: "\n").joined(separator: "\n") }
    let heldOut = paragraphs.filter { HeldOut.contains($0, share: run.job.recipe.heldOut) }
    let tokens = heldOut.reduce(0) { $0 + tokenizer.encode($1, specialTokens: .asText).count + 1 }
    let bytes = heldOut.reduce(0) { $0 + $1.utf8.count }
    let expected = evaluation.loss * Double(tokens) / (0.693_147_180_559_945_3 * Double(bytes))
    #expect(abs(evaluation.bitsPerByte - expected) < 1e-9)
}

@Test(arguments: Objective.allCases)
func packedSamplesUseWholeBlock(objective: Objective) throws {
    let run = try TrainingRun(objective)
    run.job.samples = .packed
    run.job.recipe.blockSize = 32
    run.job.recipe.maxSteps = 4
    try run.run()
    let arguments = try JobCoding.decode(
        TrainingArguments.self, from: Data(contentsOf: URL(filePath: "\(run.job.outputDirectory)/training_args.json")))
    #expect(arguments.samples == .packed)
    #expect(arguments.longestPosition == 32)
    #expect(run.steps.allSatisfy { $0.tokens > 8 * 31 - 32 && $0.tokens <= 8 * 32 })
}

@Test func rejectsTokenizerLargerThanEmbedding() throws {
    let run = try TrainingRun(.mlm)
    try run.run()
    let other = try TrainingRun(.mlm)
    other.job.tokenizer = run.job.outputDirectory
    other.job.architecture.vocabSize = 300
    let error = #expect(throws: TrainingError.self) { try other.run() }
    #expect(error?.description.contains("architecture.vocab_size") == true, "\(String(describing: error))")
}

@Test func embeddingSizeFollowsTokenizer() throws {
    let run = try TrainingRun(.mlm)
    run.job.architecture.vocabSize = nil
    run.job.recipe.maxSteps = 1
    try run.run()
    let tokenizer = try ByteLevelBPETokenizer.load(directory: run.job.outputDirectory)
    let rows = try RobertaModel.load(directory: run.job.outputDirectory).configuration.vocabSize
    #expect(rows % 64 == 0 && rows >= tokenizer.vocabularySize && rows - tokenizer.vocabularySize < 64)
}

@Test func maxTimeEndsRun() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = nil
    run.job.recipe.numTrainEpochs = 1e6
    run.job.recipe.maxTime = .seconds(2)
    run.job.recipe.warmupRatio = 0
    run.job.recipe.lrSchedulerType = .linear
    run.job.recipe.evalSteps = 1_000_000
    run.job.recipe.saveSteps = 1_000_000
    try run.run()
    // The number of steps in two seconds depends on the machine, but the rate always decreases with time.
    let rates = run.steps.map(\.learningRate)
    #expect(!rates.isEmpty && zip(rates, rates.dropFirst()).allSatisfy { $1 < $0 })
    #expect(run.evaluations.count == 1)
    // The run starts with the number of steps that fit into the time; the epochs have tens of millions.
    #expect(try #require(run.started).totalSteps < 1_000_000)
}

@Test func skipsNonFiniteStepsThenFails() throws {
    let run = try TrainingRun(.clm)
    run.job.recipe.learningRate = 1e30
    run.job.recipe.warmupRatio = 0
    let error = #expect(throws: TrainingError.self) { try run.run() }
    guard case .notFinite(steps: 10, _, _) = error else {
        Issue.record("\(String(describing: error))")
        return
    }
    let skipped = run.events.count { if case .stepSkipped = $0 { true } else { false } }
    #expect(skipped == 10)
    #expect(!FileManager.default.fileExists(atPath: run.job.outputDirectory))
}

/// Invalid jobs: the expected part of the error message, and the change that makes the job invalid.
private let badJobs: [(String, @Sendable (inout Job) throws -> Void)] = [
    ("corpora[0].path", { $0.corpora[0].path = "/nowhere/corpus.txt" }),
    ("corpora[0].path", { $0.corpora[0].path = "/tmp" }),
    ("corpora[0].path", { try Data().write(to: URL(filePath: $0.corpora[0].path)) }),
    ("tokenizer", { $0.tokenizer = "/nowhere/tokenizer" }),
    ("recipe.block_size", { $0.recipe.blockSize = 129 }),
    ("architecture.num_attention_heads", { $0.architecture.numAttentionHeads = 3 }),
]

@Test(arguments: badJobs)
func rejectsInvalidJobsBeforeWriting(named: String, change: @Sendable (inout Job) throws -> Void) throws {
    let run = try TrainingRun(.mlm)
    try change(&run.job)
    let error = #expect(throws: TrainingError.self) { try run.run() }
    #expect(error?.description.contains(named) == true, "\(String(describing: error))")
    #expect(!FileManager.default.fileExists(atPath: run.job.runDirectory))
    #expect(run.events.isEmpty)
}

/// Replaces the corpus with another text of the same size, with and without cached word counts.
@Test(arguments: [false, true])
func rejectsChangedCorpus(keepsWords: Bool) throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.precision = .float32
    if keepsWords {
        run.job.wordCountsDirectory = "\(run.folder)/words"
        _ = try run.run()
        try run.startOver()
    }
    let corpus = run.job.corpora[0]
    var bytes = try Data(contentsOf: URL(filePath: corpus.path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: corpus.path))
    let error = #expect(throws: TrainingError.self) { try run.run() }
    guard case .data(.otherBytes(name: "corpus.txt", sha256: corpus.sha256, path: corpus.path, _)) = error else {
        Issue.record("\(String(describing: error))")
        return
    }
    #expect(error?.description.contains("kbctl corpora rm \(corpus.sha256.prefix(12))") == true)
    #expect(run.started == nil)
    #expect(!FileManager.default.fileExists(atPath: "\(run.job.runDirectory)/shards/training.tokens"))
    // Once the original text is restored, the run must not use anything cached from the changed one.
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: corpus.path))
    let published = try run.run().sha256
    let plain = try TrainingRun(.mlm)
    plain.job.recipe.precision = .float32
    #expect(try plain.run().sha256 == published)
}

@Test func cachedWordCountsGiveSameTokenizer() throws {
    let (plain, counting, again) = (try TrainingRun(.mlm), try TrainingRun(.mlm), try TrainingRun(.mlm))
    counting.job.wordCountsDirectory = "\(counting.folder)/word-counts"
    again.job.wordCountsDirectory = counting.job.wordCountsDirectory
    try plain.run()
    try counting.run()
    let kept = try FileManager.default.contentsOfDirectory(atPath: "\(counting.folder)/word-counts")
    #expect(kept == ["\(counting.job.corpora[0].sha256).words"])
    try again.run()
    for name in ["vocab.json", "merges.txt"] {
        let expected = try Data(contentsOf: URL(filePath: "\(plain.job.outputDirectory)/\(name)"))
        for run in [counting, again] {
            #expect(try Data(contentsOf: URL(filePath: "\(run.job.outputDirectory)/\(name)")) == expected)
        }
    }
}
