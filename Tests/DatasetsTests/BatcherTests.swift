import Datasets
import Jobs
import Testing
import Tokenizers

/// Shards of many short, distinct lines.
private struct Lines {
    let folder: TemporaryFolder
    let shards: TokenShards
    let vocabulary: Int

    init(_ objective: Objective, count: Int, heldOut: Double = 0) throws {
        folder = try TemporaryFolder()
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
        vocabulary = tokenizer.vocabularySize
        let text = (0..<count).map { "line number \($0) of \(count)" }.joined(separator: "\n")
        let path = try folder.write("corpus.txt", text.utf8)
        let source = ShardSource(
            corpora: [try JobCorpus(file: path, name: "corpus.txt")],
            objective: objective, unit: .lines, filters: [], blockSize: 64, heldOut: heldOut, tokenizerDigest: "t")
        shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
    }

    func batcher(_ objective: Objective, batchSize: Int = 32, seed: UInt64 = 1) -> Batcher {
        Batcher(
            shard: shards.training, objective: objective, batchSize: batchSize, mlmProbability: 0.15,
            tokenizerVocabulary: vocabulary, seed: seed)
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
    var batcher = Batcher(
        shard: lines.shards.training, objective: .mlm, batchSize: 1, mlmProbability: 1e-9,
        tokenizerVocabulary: lines.vocabulary, seed: 3)
    for step in 0..<40 {
        let batch = batcher.batch(step: step)
        #expect(batch.scoredRows.count == 1, "step \(step)")
        #expect(batch.labels[0] > 4)
    }
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
