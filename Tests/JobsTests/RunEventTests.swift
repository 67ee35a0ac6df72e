import FoundationEssentials
import Jobs
import Testing
import TextFilters

private let heldOut = RunEvent.Evaluation(
    step: 5, loss: 5.5, perplexity: 244.7, accuracy: 0.2, bitsPerByte: 1.5)

private let text = TrainingText(rows: 3593, tokens: 325_963, bytes: 1_630_000, vocabulary: 4032)

extension RunEvent.Payload {
    private static let first = RunEvent.Payload.tokenizerTrained(.init(vocabularySize: 8000, seconds: 1.5))

    /// An example of the kind that follows in the declaration. The compiler requires a case for each kind.
    private var next: RunEvent.Payload? {
        switch self {
        case .tokenizerTrained:
            .preflight(
                .init(
                    parameters: 1, flopsPerStep: 2e9, productRate: 3e11, precision: "bfloat16",
                    precisionReason: "its products run at 2.0 times float32's rate on this CPU", peakBytes: 4,
                    memoryLimitBytes: 5, memoryLimitSource: "free memory", microBatchTokens: 6,
                    perDeviceTrainBatchSize: 16,
                    batchReason: "because a row has 91.0 tokens on average", seconds: 7.5))
        case .preflight:
            .started(
                .init(
                    parameters: 1, totalSteps: 2, resumedStep: 0, trainSamples: 3, heldOutSamples: 4, trainTokens: 5,
                    threads: 2, precision: "float32"))
        case .started:
            .step(
                .init(
                    StepMetrics(
                        step: 1, epoch: 0.5, loss: 9, learningRate: 1e-3, gradientNorm: 1, tokens: 900,
                        tokensPerSecond: 1000, mfu: 0.8),
                    totalSteps: 2, remainingSeconds: 3, log: true))
        case .step: .stepSkipped(.init(step: 3, reason: "the gradient is not finite"))
        case .stepSkipped: .evaluation(heldOut)
        case .evaluation: .sample(.init(step: 3, prompt: "Human reason", text: " has\\n a limit"))
        case .sample: .checkpoint(.init(step: 3, path: "/r/checkpoint-3"))
        case .checkpoint:
            .published(
                .init(
                    step: 3, directory: "/m/1", modelSha256: "ab", parameters: 1, vocabSize: 8000,
                    evaluation: heldOut))
        case .published: .interrupted(.init(step: 3))
        case .interrupted: .failed(.init(message: "a\nmessage of two lines"))
        case .failed: .working(.init(activity: "counting words"))
        case .working:
            .textSummary(
                .init(
                    bytes: 1_200_000, units: 3121, tokens: 301_223, trainedShare: 0.5, heldOutShare: 0.125,
                    truncatedShare: 0.125, filteredShare: 0.125, duplicateShare: 0.125, filteredUnits: 3,
                    duplicateUnits: 4, isUniform: false, filters: [FilterCount(.gutenberg), FilterCount(.minWords)],
                    corpora: [.init(name: "a.txt", samples: .paragraphs, joinsLines: true, reason: "wrapped")],
                    corpusCount: 9))
        case .textSummary: .textWarning(.init(message: "few units"))
        case .textWarning:
            .modelChosen(
                .init(
                    AutomaticModel(
                        Preset.auto.architecture, RecipeName.default.recipe(for: .clm), for: .clm, text: text,
                        operationsPerSecond: 4e11), text: text, operationsPerSecond: 4e11))
        case .modelChosen:
            .startPrepared(
                .init(
                    generation: 7, newRows: 63, replayedRows: 189, oldRows: 6212, numTrainEpochs: 2, composedTokens: 0,
                    keptBytesPerToken: 4.125, ownBytesPerToken: 4.25))
        case .startPrepared: .judged(.init(directory: "/m/1", evaluation: heldOut, samples: 3, bytes: 90, seconds: 1.5))
        case .judged:
            .precisionsMeasured(
                .init(
                    directory: "/m/1",
                    precisions: .init(float32: 1.25, bfloat16: 1.5, int8: nil), scoredTokens: 90, seconds: 1.5))
        case .precisionsMeasured:
            .ranksJoined(
                .init(ranks: 3, hosts: [.init(name: "a", ranks: 3)], library: "MPICH Version: 4.0.2", doubts: ["other"])
            )
        case .ranksJoined:
            .communication(
                .init(
                    step: 10, steps: 10, secondsPerStep: 2, communicationSeconds: 0.5, bytesPerStep: 500,
                    slowestRank: 1,
                    slowestHost: "b", slowestSeconds: 1.5, fastestSeconds: 1.25))
        case .communication: .converted(.init(differences: ["two tensors are F64"]))
        case .converted: nil
        }
    }

    fileprivate static let everyKind = Array(sequence(first: first) { $0.next })
}

private let payloads =
    RunEvent.Payload.everyKind + [
        .judged(
            .init(directory: "/m/1", evaluation: nil, samples: 0, bytes: 0, seconds: 0, failureReason: "no such file"))
    ]

/// The argument is an index: the output would otherwise hold all fields.
@Test(arguments: payloads.indices)
func encodesAnEventAsOneLineAndDecodesIt(index: Int) throws {
    let event = RunEvent(payloads[index], time: Date(timeIntervalSince1970: 1_767_225_600.25))
    let line = try JobCoding.encode(event)
    #expect(!line.contains(UInt8(ascii: "\n")))
    let text = String(decoding: line, as: UTF8.self)
    #expect(text.contains("\"kind\":\"\(event.kind)\""))
    #expect(text.contains("\"time\":\"2026-01-01T00:00:00.250Z\""))
    #expect(try JobCoding.decode(RunEvent.self, from: line) == event)
}

@Test func refusesAnUnknownKind() {
    let line = Data(#"{"kind":"dance","time":"2026-01-01T00:00:00.000Z"}"#.utf8)
    #expect(throws: DecodingError.self) { try JobCoding.decode(RunEvent.self, from: line) }
}

/// Texts of samples are shown in terminals and logs.
struct TextSampleTests {
    @Test func controlCharactersAreEscaped() {
        let sample = TextSample(step: 1, prompt: "a\nb\t\u{1B}[2J\u{202E}c\u{2028}", text: "é\r\n日本\u{200D}\u{9B}")
        #expect(sample.bounded.prompt == "a\\nb\\t\\u{1b}[2J\\u{202e}c\\u{2028}")
        #expect(sample.bounded.text == "é\\u{d}\\n日本\u{200D}\\u{9b}")
        #expect(sample.bounded.bounded == sample.bounded)
    }

    @Test func lengthIsBounded() {
        let long = String(repeating: "\u{1B}é", count: 10_000)
        let sample = TextSample(step: 1, prompt: long, text: long).bounded
        #expect(sample.prompt.utf8.count <= TextSample.longestPrompt && sample.prompt.hasSuffix("…"))
        #expect(sample.text.utf8.count <= TextSample.longestText && sample.text.hasSuffix("…"))
        #expect(sample.bounded == sample)
    }

    @Test func promptOfARecipeIsBounded() throws {
        var recipe = RecipeName.default.recipe(for: .clm)
        #expect(recipe.samplePrompt == .automatic)
        for (text, prompt) in [("auto", SamplePrompt.automatic), ("none", .off), ("I think", .text("I think"))] {
            recipe.samplePrompt = SamplePrompt(text)
            #expect(recipe.samplePrompt == prompt)
            let coded = try JobCoding.decode(Recipe.self, from: JobCoding.encode(recipe))
            #expect(coded == recipe)
        }
        var job = Job(
            run: "r", model: "m", generation: 1, objective: .clm, architecture: Preset.tiny.architecture,
            recipe: recipe,
            corpora: [JobCorpus(sha256: String(repeating: "0", count: 64), name: "a", path: "/a", bytes: 1)],
            samples: .lines, filters: [], tokenizer: nil, wordCountsDirectory: nil, runDirectory: "/r",
            outputDirectory: "/o")
        try job.validate()
        for text in ["", String(repeating: "a", count: SamplePrompt.longest + 1)] {
            job.recipe.samplePrompt = .text(text)
            let error = #expect(throws: JobError.self) { try job.validate() }
            #expect(error?.description.contains("recipe.sample_prompt") == true)
        }
    }
}
