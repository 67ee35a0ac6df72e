import Jobs
import TextFilters
import Testing
import Training

/// A run begins with as little text as possible, or says what is missing.
@Suite struct LittleTextTests {
    private static let russian = (0..<400).map { "Это предложение номер \($0) о чистом разуме." }

    private static let texts: [(text: String, filters: [String], parts: [String])] = [
        ("\n \n\t\n", [], ["no text", "all lines are blank"]),
        ("One line.\n", [], ["1 lines (9 bytes)", "add at least 2 more, about 18 bytes"]),
        (
            String(repeating: "The same sentence again.\n", count: 2000), [],
            ["2,000 lines (48.0 kB)", "are all the same", "add different text"]
        ),
        (
            russian.joined(separator: "\n"), ["tweets"],
            ["the filters left none of 400 lines", "‘filters’", "‘min_words’"]
        ),
        ("a b\na b\na b\n", ["dedupe_lines"], ["3 lines (9 bytes), of which the filters left 1", "all the same"]),
    ]

    @Test(arguments: texts.indices)
    func errorNamesMissingText(index: Int) throws {
        let (text, filters, parts) = Self.texts[index]
        let run = try TrainingRun(.mlm)
        run.job.samples = .auto
        run.job.filters = try TextFilter.named(filters)
        try run.replaceCorpus(text)
        // The second attempt finds the shards of the first one.
        for _ in 0..<2 {
            let error = try #require(throws: TrainingError.self) { try run.run() }
            guard case .tooFewSamples = error else {
                Issue.record("\(error)")
                return
            }
            for part in parts { #expect(error.description.contains(part), "\(error)") }
            #expect(run.started == nil && !error.description.contains("found 0"))
        }
    }

    @Test func trainsOnTenLinesWithSmallerBatches() throws {
        let run = try TrainingRun(.mlm)
        run.job.samples = .auto
        run.job.recipe.perDeviceTrainBatchSize = 128
        try run.replaceCorpus((0..<10).map { "Line \($0) of ten." }.joined(separator: "\n"))
        try run.run()
        let started = try #require(run.started)
        #expect(started.trainSamples == 9 && started.heldOutSamples == 1)
        #expect(run.warnings.contains { $0.contains("only 9 training rows for batches of 128") }, "\(run.warnings)")
    }

    @Test func choosesSmallBatchesForTenLines() throws {
        let run = try TrainingRun(.mlm)
        run.job.samples = .auto
        run.job.recipe.perDeviceTrainBatchSize = nil
        try run.replaceCorpus((0..<10).map { "Line \($0) of ten." }.joined(separator: "\n"))
        try run.run()
        #expect(run.preflight?.perDeviceTrainBatchSize == 8)
        #expect(run.preflight?.batchReason == "because there are only 9 training rows")
        #expect(!run.warnings.contains { $0.contains("per_device_train_batch_size") }, "\(run.warnings)")
    }

    @Test func statesTextBeforeFirstStep() throws {
        let run = try TrainingRun(.clm)
        run.job.samples = .auto
        try run.run()
        let summary = try #require(run.summary)
        #expect(summary.corpora.map(\.name) == ["corpus.txt"] && summary.corpora[0].samples == .paragraphs)
        #expect(summary.leftOutShare == 0 && summary.units > 100 && summary.tokens > 1000)
        let place = run.events.firstIndex { if case .textSummary = $0 { true } else { false } }
        let start = run.events.firstIndex { if case .started = $0 { true } else { false } }
        #expect(try #require(place) < #require(start))
    }

    /// Text whose lines are joined gives the same samples, and nearly the same tokenizer, as text that was never wrapped.
    @Test func tokenizerIsTrainedOnJoinedLines() throws {
        let words = ["reason", "experience", "understanding", "concept", "intuition", "judgement", "the", "of", "is"]
        let paragraphs = (0..<200).map { index in
            (0..<60).map { words[($0 * $0 + index * 7 + $0 * index) % words.count] }.joined(separator: " ")
                + " \(index)."
        }
        let wrapped = paragraphs.map { paragraph in
            var column = 0
            return paragraph.split(separator: " ").map { word in
                let isNext = column > 0 && column + 1 + word.count > 60
                defer { column = (isNext || column == 0 ? 0 : column + 1) + word.count }
                return (column == 0 ? "" : isNext ? "\n" : " ") + word
            }.joined()
        }
        let (joined, plain) = (try TrainingRun(.clm), try TrainingRun(.clm))
        for (run, texts) in [(joined, wrapped), (plain, paragraphs)] {
            run.job.samples = .auto
            run.job.recipe.maxSteps = 1
            run.job.wordCountsDirectory = "\(run.folder)/words"
            try run.replaceCorpus(texts.joined(separator: "\n\n"))
            try run.run()
        }
        let summary = try #require(joined.summary)
        #expect(summary.corpora[0].joinsLines && summary.bytes == plain.summary?.bytes)
        // The counts of words differ by the blank lines between paragraphs only.
        let tokens = try #require(plain.summary).tokens
        #expect(abs(summary.tokens - tokens) < tokens / 100)
    }
}
