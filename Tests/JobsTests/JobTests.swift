import Foundation
import Jobs
import TextFilters
import Testing

private func sampleJob() -> Job {
    var recipe = RecipeName.default.recipe(for: .clm)
    recipe.maxTime = .seconds(60)
    recipe.perDeviceTrainBatchSize = 16
    return Job(
        run: "20260101-assistant-1", model: "assistant", generation: 1, objective: .clm,
        architecture: Preset.small.architecture, recipe: recipe,
        corpora: [
            JobCorpus(
                sha256: String(repeating: "0a", count: 32), name: "a.txt", path: "/c/a", bytes: 12,
                received: Date(timeIntervalSince1970: 1_767_268_800))
        ],
        samples: .paragraphs, filters: [.lowercase, .minWords(3)], tokenizer: nil, wordCountsDirectory: nil,
        runDirectory: "/r", outputDirectory: "/m/1")
}

/// The JSON of the sample job, with `old` replaced by `new`.
private func changed(_ old: String, _ new: String) throws -> Data {
    let text = String(decoding: try JobCoding.encode(sampleJob()), as: UTF8.self)
    try #require(text.contains(old), "the job has no \(old): \(text)")
    return Data(text.replacing(old, with: new).utf8)
}

@Test func jobRoundTripsThroughJSON() throws {
    #expect(try Job.decode(JobCoding.encode(sampleJob(), pretty: true)) == sampleJob())
}

@Test func machineFileIsOptional() throws {
    var job = sampleJob()
    #expect(try !String(decoding: JobCoding.encode(job), as: UTF8.self).contains("machine_file"))
    job.machineFile = "/s/machine.json"
    #expect(try Job.decode(JobCoding.encode(job)) == job)
}

@Test func timeOfReceiptIsOptional() throws {
    var job = sampleJob()
    job.corpora[0].received = Date(timeIntervalSince1970: 1_800_000_000)
    #expect(try Job.decode(JobCoding.encode(job)) == job)
}

@Test func keysAreSnakeCase() throws {
    let text = String(decoding: try JobCoding.encode(sampleJob()), as: UTF8.self)
    for key in ["run_directory", "per_device_train_batch_size", "adam_beta1", "num_hidden_layers", "held_out"] {
        #expect(text.contains("\"\(key)\":"), "\(key)")
    }
}

@Test(arguments: [
    ("\"adam_beta1\":0.9", "\"adam_beta3\":0.9", "recipe.adam_beta3"),
    ("\"generation\":1", "\"generation\":1,\"colour\":\"red\"", "colour"),
    ("\"bytes\":12", "\"bytes\":12,\"lines\":1", "corpora[0].lines"),
    ("\"generation\":1", "\"generation\":\"one\"", "generation"),
    ("\"generation\":1", "\"generation\":0", "generation"),
    ("\"block_size\":128", "\"block_size\":\"big\"", "recipe.block_size"),
    ("\"block_size\":128", "\"block_size\":513", "recipe.block_size"),
    ("\"block_size\":128", "\"block_size\":1", "recipe.block_size"),
    ("\"num_attention_heads\":4", "\"num_attention_heads\":3", "architecture.num_attention_heads"),
    ("\"num_attention_heads\":4", "\"num_attention_heads\":0", "architecture.num_attention_heads"),
    ("\"hidden_size\":256", "\"hidden_size\":-256", "architecture.hidden_size"),
    ("\"vocab_size\":8000", "\"vocab_size\":260", "architecture.vocab_size"),
    ("\"hidden_dropout_prob\":0.1", "\"hidden_dropout_prob\":1", "architecture.hidden_dropout_prob"),
    ("\"held_out\":0.05", "\"held_out\":0", "recipe.held_out"),
    ("\"num_hidden_layers\":4", "\"num_hidden_layers\":16000000", "architecture.num_hidden_layers"),
    ("\"max_position_embeddings\":514", "\"max_position_embeddings\":3", "architecture.max_position_embeddings"),
    ("\"vocab_size\":8000", "\"vocab_size\":16777216", "architecture.vocab_size"),
    ("\"layer_norm_eps\":1e-12", "\"layer_norm_eps\":2", "architecture.layer_norm_eps"),
    (
        "\"gradient_accumulation_steps\":1", "\"gradient_accumulation_steps\":4294967295",
        "recipe.gradient_accumulation_steps"
    ),
    ("\"per_device_train_batch_size\":16", "\"per_device_train_batch_size\":0", "recipe.per_device_train_batch_size"),
    ("\"max_time\":60", "\"max_time\":-1", "recipe.max_time"),
    ("\"objective\":\"clm\"", "\"objective\":\"rlhf\"", "objective"),
    ("\"sha256\":\"0a", "\"sha256\":\"/.", "corpora[0].sha256"),
    (",\"run_directory\":\"/r\"", "", "run_directory"),
    ("[\"lowercase\"", "[\"shout\"", "filters[0]"),
    ("{\"min_words\":3}", "{\"min_words\":0}", "filters[1]"),
    ("{\"min_words\":3}", "{\"keep\":\"z-a\"}", "filters[1]"),
    ("{\"min_words\":3}", "{\"min_words\":\"three\"}", "filters[1].min_words"),
])
func refusesAnInvalidJobNamingTheKey(old: String, new: String, key: String) throws {
    let json = try changed(old, new)
    let error = #expect(throws: JobError.self) { try Job.decode(json) }
    #expect(error?.key == key, "\(String(describing: error))")
}

/// Older versions wrote filters without values.
@Test func codesFiltersAsWordsOrObjectsWithOneKey() throws {
    let text = String(decoding: try JobCoding.encode(sampleJob()), as: UTF8.self)
    #expect(text.contains(#""filters":["lowercase",{"min_words":3}]"#), "\(text)")
    #expect(try Job.decode(changed(",{\"min_words\":3}", "")).filters == [.lowercase])
}

@Test func promptsUseTheFiltersCommonToAllCorpora() {
    var job = sampleJob()
    #expect(job.promptFilters == job.filters)
    job.corpora[0].filters = [.stripURLs]
    #expect(job.promptFilters == [.stripURLs])
    job.corpora.append(job.corpora[0])
    job.corpora[1].filters = nil
    #expect(job.promptFilters == job.filters)
}

@Test func acceptsNullVocabSize() throws {
    let job = try Job.decode(changed("\"vocab_size\":8000", "\"vocab_size\":null"))
    #expect(job.architecture.vocabSize == nil)
}

@Test(arguments: ["", "{", "[]", "{} {}", "\u{0}"])
func refusesMalformedJSON(text: String) {
    #expect(throws: JobError.self) { try Job.decode(Data(text.utf8)) }
}

@Test func suggestsTheNearestKnownKey() throws {
    let error = #expect(throws: JobError.self) { try Job.decode(try changed("\"seed\":1", "\"sead\":1")) }
    #expect(error?.description.contains("recipe.sead") == true)
    #expect(error?.found == "an unknown key (did you mean ‘seed’?)")
}

@Test(arguments: Preset.allCases, RecipeName.allCases)
func validatesEveryPresetWithEveryRecipe(preset: Preset, name: RecipeName) throws {
    for objective in Objective.allCases {
        var job = sampleJob()
        job.objective = objective
        job.architecture = preset.architecture
        job.recipe = name.recipe(for: objective)
        #expect(throws: Never.self) { try job.validate() }
    }
}

@Test func keysWithADefaultMayBeMissing() throws {
    let defaults = Recipe(learningRate: 1, warmupRatio: 0.5, weightDecay: 0.25, numTrainEpochs: 2)
    let short = """
        {"learning_rate":1,"warmup_ratio":0.5,"weight_decay":0.25,"num_train_epochs":2}
        """
    #expect(try JobCoding.decode(Recipe.self, from: Data(short.utf8)) == defaults)

    // A recipe in which every value differs from the default survives coding, so no property lacks a key.
    var other = Recipe(learningRate: 2, warmupRatio: 0.75, weightDecay: 0.5, numTrainEpochs: 3)
    other.perDeviceTrainBatchSize = 4
    (other.optimizer, other.lrSchedulerType, other.decayRatio) = (.muon, .cosine, 0.1)
    (other.adamBeta1, other.adamBeta2, other.adamEpsilon, other.muonMomentum) = (0.5, 0.6, 0.7, 0.8)
    (other.maxGradNorm, other.gradientAccumulationSteps, other.maxSteps, other.maxTime) = (5, 6, 7, .seconds(8))
    (other.earlyStoppingPatience, other.loadBestModelAtEnd, other.maxBadSteps) = (9, false, 11)
    (other.blockSize, other.precision, other.initialization, other.mlmProbability) = (12, .float32, .positional, 0.2)
    (other.minFrequency, other.heldOut, other.loggingSteps, other.evalSteps) = (13, 0.3, 14, 15)
    (other.replay, other.shrink, other.logicalWorkers) = (2, 0.7, 3)
    (other.saveSteps, other.saveTotalLimit, other.seed, other.truncate) = (16, 17, .max, true)
    (other.cutProbability, other.inputNoise, other.samplePrompt) = (0.4, 0.6, .text("I"))
    for (one, another) in zip(Mirror(reflecting: defaults).children, Mirror(reflecting: other).children) {
        #expect("\(one.value)" != "\(another.value)", "\(one.label ?? "")")
    }
    #expect(try JobCoding.decode(Recipe.self, from: JobCoding.encode(other)) == other)
}

@Test(arguments: [TimeLimit.automatic, .none, .seconds(90.5)])
func timeLimitSurvivesCoding(limit: TimeLimit) throws {
    var recipe = RecipeName.seed.recipe(for: .mlm)
    recipe.maxTime = limit
    #expect(try JobCoding.decode(Recipe.self, from: JobCoding.encode(recipe)).maxTime == limit)
}

@Test func everyPropertyHasASetting() {
    let recipe = RecipeName.default.recipe(for: .mlm)
    #expect(Mirror(reflecting: recipe).children.count == Recipe.settings.count)
    #expect(Mirror(reflecting: Preset.tiny.architecture).children.count == Architecture.settings.count)
}

/// Jobs written before the keys came from a table (by `JobCoding.encode(job, pretty: true)` of version 0.1.0).
@Test(arguments: ["job-mlm-default.json", "job-clm-seed.json"])
func readsAndWritesTheFormatOfVersion010(name: String) throws {
    let path = try #require(Bundle.module.path(forResource: "Fixtures/\(name)", ofType: nil))
    let golden = try Data(contentsOf: URL(filePath: path))
    let job = try Job.decode(golden)
    let added = ["truncate", "cut_probability", "input_noise", "replay", "shrink", "sample_prompt", "logical_workers"]
    let written = String(decoding: try JobCoding.encode(job, pretty: true), as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false)
        .filter { line in !added.contains { line.contains("\"\($0)\"") } }
    #expect(written.joined(separator: "\n") == String(decoding: golden, as: UTF8.self))
}

/// Flipped bits, truncation, and numbers replaced by others: the result is a valid job or an error.
@Test func damagedJobsThrowAndNeverTrap() throws {
    let whole = [UInt8](try JobCoding.encode(sampleJob(), pretty: true))
    let numbers = ["-1", "9223372036854775807", "18446744073709551616", "1e308", "null", "[]", "0.5"]
    var state: UInt64 = 16
    func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
    for _ in 0..<2000 {
        var bytes = whole
        switch next(3) {
        case 0: bytes.removeLast(next(bytes.count))
        case 1: for _ in 0...next(3) { bytes[next(bytes.count)] ^= 1 << UInt8(next(8)) }
        default:
            let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
            let start = digits[next(digits.count)]
            let end = bytes[start...].firstIndex { !(0x30...0x39).contains($0) } ?? bytes.count
            bytes.replaceSubrange(start..<end, with: Array(numbers[next(numbers.count)].utf8))
        }
        do throws(JobError) {
            let job = try Job.decode(Data(bytes))
            // The product of a valid job's numbers does not overflow.
            #expect(job.recipe.samplesPerStep >= 1)
        } catch {
            #expect(!error.expected.isEmpty)
        }
    }
}
