import Datasets
import Jobs
import Testing
import Tokenizers

/// Shards of many short, distinct lines.
private struct Lines {
    let folder: TemporaryFolder
    let shards: TokenShards
    let vocabulary: Int

    init(_ objective: Objective, count: Int, repeats: Int = 1, heldOut: Double = 0) throws {
        folder = try TemporaryFolder()
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
        vocabulary = tokenizer.vocabularySize
        let text = (0..<count).map { String(repeating: "line number \($0) of \(count)", count: repeats) }
            .joined(separator: "\n")
        let path = try folder.write("corpus.txt", text.utf8)
        let source = ShardSource(
            corpora: [try JobCorpus(file: path, name: "corpus.txt")],
            objective: objective, unit: .lines, filters: [], blockSize: 128, heldOut: heldOut, tokenizerDigest: "t")
        shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
    }

    func batcher(
        _ objective: Objective, batchSize: Int = 32, mlmProbability: Double = 0.15, cutProbability: Double = 0,
        inputNoise: Double = 0, seed: UInt64 = 1
    ) -> Batcher {
        var recipe = RecipeName.seed.recipe(for: objective)
        recipe.mlmProbability = mlmProbability
        recipe.cutProbability = cutProbability
        recipe.inputNoise = inputNoise
        recipe.seed = seed
        return Batcher(
            shard: shards.training, objective: objective, batchSize: batchSize, recipe: recipe,
            tokenizerVocabulary: vocabulary)
    }
}

/// Returns the sequences of a batch with the masks undone.
private func original(_ batch: Batch) -> [[Int32]] {
    var ids = batch.inputIDs
    for (row, label) in zip(batch.scoredRows, batch.labels) { ids[row] = label }
    return (0..<batch.sequences).map { Array(ids[batch.sequenceOffsets[$0]..<batch.sequenceOffsets[$0 + 1]]) }
}

@Test func eachEpochShufflesAllRows() throws {
    let lines = try Lines(.mlm, count: 100)
    var batcher = lines.batcher(.mlm)
    #expect(batcher.stepsPerEpoch == 4)
    let epochs = (0..<2).map { epoch in (0..<4).flatMap { original(batcher.batch(step: 4 * epoch + $0)) } }
    #expect(epochs[0].count == 100)
    #expect(Set(epochs[0]).count == 100)
    #expect(Set(epochs[0]) == Set(epochs[1]))
    #expect(epochs[0] != epochs[1])
}

@Test func batchDependsOnlyOnSeedAndStep() throws {
    let lines = try Lines(.mlm, count: 100)
    var forward = lines.batcher(.mlm)
    var backward = lines.batcher(.mlm)
    let there = (0..<9).map { forward.batch(step: $0) }
    let back = (0..<9).reversed().map { backward.batch(step: $0) }
    #expect(there == back.reversed())
    var other = lines.batcher(.mlm, seed: 2)
    #expect(other.batch(step: 0) != there[0])
}

@Test func maskingFollowsEightyTenTenSplit() throws {
    let lines = try Lines(.mlm, count: 2000)
    var batcher = lines.batcher(.mlm, batchSize: 500)
    var (ordinary, masked, kept, replaced) = (0, 0, 0, 0)
    for step in 0..<4 {
        let batch = batcher.batch(step: step)
        ordinary += original(batch).joined().count { $0 > 4 }
        for (row, label) in zip(batch.scoredRows, batch.labels) {
            #expect(label > 4, "a special token was chosen")
            let input = batch.inputIDs[row]
            #expect(input >= 4 && Int(input) < lines.vocabulary)
            if input == 4 { masked += 1 } else if input == label { kept += 1 } else { replaced += 1 }
        }
        #expect(batch.scoredRows == batch.scoredRows.sorted())
        #expect(!batch.inputIDs.indices.contains { batch.inputIDs[$0] == 4 && !batch.scoredRows.contains($0) })
    }
    let scored = masked + kept + replaced
    /// Allows five standard deviations of a binomial distribution.
    func expectShare(_ count: Int, of total: Int, _ share: Double, _ what: Comment) {
        let deviation = (Double(total) * share * (1 - share)).squareRoot()
        #expect(abs(Double(count) - Double(total) * share) < 5 * deviation, what)
    }
    expectShare(scored, of: ordinary, 0.15, "scored \(scored) of \(ordinary)")
    expectShare(masked, of: scored, 0.8, "masked \(masked) of \(scored)")
    // One of 256 random replacements is the token itself.
    expectShare(kept, of: scored, 0.1 + 0.1 / 256, "kept \(kept) of \(scored)")
}

@Test func masksDifferBetweenEpochs() throws {
    let lines = try Lines(.mlm, count: 8)
    var batcher = lines.batcher(.mlm, batchSize: 8)
    #expect(batcher.batch(step: 0).scoredRows != batcher.batch(step: 1).scoredRows)
}

@Test func everyBatchHasAMaskedToken() throws {
    let lines = try Lines(.mlm, count: 40)
    var batcher = lines.batcher(.mlm, batchSize: 1, mlmProbability: 1e-9, seed: 3)
    for step in 0..<40 {
        let batch = batcher.batch(step: step)
        #expect(batch.scoredRows.count == 1, "step \(step)")
        #expect(batch.labels[0] > 4)
    }
}

@Test func cutRowsKeepTheirTokensInOrder() throws {
    let lines = try Lines(.mlm, count: 400, repeats: 5)
    var whole = lines.batcher(.mlm, batchSize: 400)
    var cut = lines.batcher(.mlm, batchSize: 400, cutProbability: 0.5)
    let rows = original(whole.batch(step: 0))
    var pieces = original(cut.batch(step: 0))[...]
    var cutRows = 0
    var lengths: Set<Int> = []
    for row in rows {
        var tokens: [Int32] = []
        var count = 0
        while tokens.count < row.count - 2, let piece = pieces.popFirst() {
            #expect(piece.first == 0 && piece.last == 2)
            tokens += piece.dropFirst().dropLast()
            count += 1
            if tokens.count < row.count - 2 {
                #expect(piece.count - 2 >= 4)
                lengths.insert(piece.count - 2)
            }
        }
        #expect(tokens == Array(row.dropFirst().dropLast()))
        cutRows += count > 1 ? 1 : 0
    }
    #expect(pieces.isEmpty)
    // A row that is to be cut stays whole if its first piece is long enough.
    #expect((120...220).contains(cutRows), "\(cutRows) of 400 rows were cut")
    #expect(lengths.count > 8)
}

@Test func rowsAreCutAnewInEachEpoch() throws {
    let lines = try Lines(.mlm, count: 50, repeats: 4)
    var batcher = lines.batcher(.mlm, batchSize: 50, cutProbability: 1)
    let epochs = (0..<2).map { Set(original(batcher.batch(step: $0))) }
    #expect(epochs[0] != epochs[1])
    var again = lines.batcher(.mlm, batchSize: 50, cutProbability: 1)
    #expect(Set(original(again.batch(step: 1))) == epochs[1])
}

@Test func shortRowsAreNotCut() throws {
    let lines = try Lines(.mlm, count: 50)
    var (whole, cut) = (lines.batcher(.mlm), lines.batcher(.mlm, cutProbability: 1))
    #expect(whole.batch(step: 0) == cut.batch(step: 0))
}

@Test func causalRowsAreNeverCut() throws {
    let lines = try Lines(.clm, count: 20, repeats: 5)
    var (whole, cut) = (lines.batcher(.clm), lines.batcher(.clm, cutProbability: 1))
    #expect(whole.batch(step: 0) == cut.batch(step: 0))
}

@Test func noiseReplacesInputsOfACausalModelAndNoLabels() throws {
    let lines = try Lines(.clm, count: 1000)
    var (clean, noisy) = (lines.batcher(.clm, batchSize: 1000), lines.batcher(.clm, batchSize: 1000, inputNoise: 0.1))
    let (before, after) = (clean.batch(step: 0), noisy.batch(step: 0))
    #expect(after.labels == before.labels && after.scoredRows == before.scoredRows)
    let ordinary = before.inputIDs.count { $0 > 4 }
    let changed = zip(before.inputIDs, after.inputIDs).filter { $0 != $1 }
    #expect(changed.allSatisfy { $0.0 > 4 && $0.1 > 4 && Int($0.1) < lines.vocabulary })
    let share = Double(changed.count) / Double(ordinary)
    #expect(abs(share - 0.1) < 0.01, "\(share) of the tokens were replaced")
    var (quiet, masked) = (lines.batcher(.mlm), lines.batcher(.mlm, inputNoise: 0.5))
    #expect(masked.batch(step: 0) == quiet.batch(step: 0))
}

@Test func causalLabelsAreNextTokens() throws {
    let lines = try Lines(.clm, count: 10)
    var batcher = lines.batcher(.clm, batchSize: 10)
    let batch = batcher.batch(step: 0)
    let lastRows = Set(batch.sequenceOffsets.dropFirst().map { $0 - 1 })
    #expect(batch.scoredRows == (0..<batch.tokens).filter { !lastRows.contains($0) })
    #expect(batch.labels == batch.scoredRows.map { batch.inputIDs[$0 + 1] })
    #expect(batch.labels.count { $0 == 2 } == 10)
}

@Test(arguments: [1, 30, 64, 100, 10_000])
func splitPreservesBatch(maximumTokens: Int) throws {
    let lines = try Lines(.mlm, count: 32)
    var batcher = lines.batcher(.mlm)
    let batch = batcher.batch(step: 0)
    let parts = batch.split(maximumTokens: maximumTokens)
    #expect(parts.flatMap(\.inputIDs) == batch.inputIDs)
    #expect(parts.flatMap(\.labels) == batch.labels)
    #expect(parts.flatMap(original) == original(batch))
    for part in parts {
        #expect(part.sequenceOffsets.last == part.tokens)
        #expect(part.tokens <= maximumTokens || part.sequences == 1)
        #expect(part.scoredRows.allSatisfy { $0 < part.tokens })
    }
}

@Test func evaluationMasksAreIndependentOfBatchSize() throws {
    let lines = try Lines(.mlm, count: 300, heldOut: 0.3)
    func questions(_ maximumTokens: Int) -> [[Int32]] {
        EvaluationBatches(
            shard: lines.shards.heldOut, objective: .mlm, tokenizerVocabulary: lines.vocabulary,
            maximumTokens: maximumTokens
        ).flatMap { batch in
            (0..<batch.sequences).map {
                Array(batch.inputIDs[batch.sequenceOffsets[$0]..<batch.sequenceOffsets[$0 + 1]])
            }
        }
    }
    #expect(questions(64) == questions(1000))
    #expect(questions(64).count == lines.shards.heldOut.rows)
    #expect(questions(64).joined().contains(4))
}
