import Datasets
import FoundationEssentials
import Jobs
import Testing
import Tokenizers

/// Shards of several corpora, whose lines begin with the letter of their corpus.
private struct Corpora {
    let folder: TemporaryFolder
    let source: ShardSource
    let tokenizer: ByteLevelBPETokenizer
    let shards: TokenShards
    /// SHA-256 by letter.
    let digests: [Character: String]

    init(_ counts: [(letter: Character, lines: Int)], unit: SampleUnit = .lines, heldOut: Double = 0) throws {
        folder = try TemporaryFolder()
        tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
        let corpora = try counts.map { [folder] letter, lines in
            let end = unit == .packed ? "\n\n" : "\n"
            let text = (0..<lines).map { "\(letter) \($0)" }.joined(separator: end)
            return try JobCorpus(file: try folder.write("\(letter).txt", text.utf8), name: "\(letter)")
        }
        digests = Dictionary(uniqueKeysWithValues: zip(counts.map(\.letter), corpora.map(\.sha256)))
        source = ShardSource(
            corpora: corpora, objective: .clm, unit: unit, filters: [], blockSize: 24, heldOut: heldOut,
            tokenizerDigest: "t")
        shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
    }

    func text(ofRow row: Int) -> String {
        var ids: [Int32] = []
        shards.training.append(row: row, to: &ids)
        return tokenizer.decode(ids, skipSpecialTokens: true)
    }

    func rows(besides letters: [Character]) throws -> [Range<Int>] {
        try #require(shards.corpusRows).rows(besides: Set(letters.map { digests[$0]! }))
    }

    func batcher(_ replay: Replay?, seed: UInt64 = 1, batchSize: Int = 8) -> Batcher {
        var recipe = RecipeName.seed.recipe(for: .clm)
        recipe.seed = seed
        return Batcher(
            shard: shards.training, objective: .clm, batchSize: batchSize, recipe: recipe,
            tokenizerVocabulary: tokenizer.vocabularySize, replay: replay)
    }

    /// The texts of the rows of an epoch, in order.
    func epoch(_ number: Int, _ batcher: Batcher) -> [String] {
        var batcher = batcher
        return (0..<batcher.stepsPerEpoch).flatMap { step -> [String] in
            let batch = batcher.batch(step: number * batcher.stepsPerEpoch + step)
            return (0..<batch.sequences).map {
                tokenizer.decode(
                    Array(batch.inputIDs[batch.sequenceOffsets[$0]..<batch.sequenceOffsets[$0 + 1]]),
                    skipSpecialTokens: true)
            }
        }
    }
}

/// With fewer and with more samples than those that wait for the held-out share.
@Test(arguments: [100, 1500], [0, 0.2])
func rowsOfEachCorpusAreKnown(lines: Int, heldOut: Double) throws {
    let corpora = try Corpora([("a", lines), ("b", lines / 2), ("c", 7)], heldOut: heldOut)
    for letter in "abc" {
        let rows = try corpora.rows(besides: "abc".filter { $0 != letter }).flatMap { $0 }
        let expected = (0..<corpora.shards.training.rows).filter { corpora.text(ofRow: $0).hasPrefix("\(letter) ") }
        #expect(rows == expected, "\(letter)")
    }
    #expect(try corpora.rows(besides: ["a", "b", "c"]) == [])
    #expect(try corpora.rows(besides: []) == [0..<corpora.shards.training.rows])
    #expect(corpora.shards.corpusRows?.heldOutByHash == (lines > 1000))
}

@Test func packedRowWithTextOfTwoCorporaBelongsToBoth() throws {
    let corpora = try Corpora([("a", 50), ("b", 50)], unit: .packed)
    for letter in "ab" {
        let rows = Set(try corpora.rows(besides: "ab".filter { $0 != letter }).flatMap { $0 })
        for row in 0..<corpora.shards.training.rows where corpora.text(ofRow: row).contains(letter) {
            #expect(rows.contains(row), "row \(row): \(corpora.text(ofRow: row))")
        }
    }
    let (a, b) = (try corpora.rows(besides: ["b"]), try corpora.rows(besides: ["a"]))
    #expect(a.count == 1 && b.count == 1 && a[0].count + b[0].count <= corpora.shards.training.rows + 1)
}

@Test(arguments: ["", "{", #"{"checksum":"0","corpora":[],"held_out_by_hash":true}"#])
func rowsOfAnotherShardAreNotUsed(json: String) throws {
    let corpora = try Corpora([("a", 20)])
    #expect(corpora.shards.corpusRows != nil)
    try Data(json.utf8).write(to: URL(filePath: "\(corpora.folder.path)/rows.json"))
    let reopened = try TokenShards(
        directory: corpora.folder.path, source: corpora.source, vocabularySize: corpora.tokenizer.vocabularySize)
    #expect(reopened.corpusRows == nil && reopened.training.rows == 20)
}

@Test func replayVisitsNewRowsOnceAndSomeOldRows() throws {
    let corpora = try Corpora([("a", 100), ("b", 10), ("c", 5)])
    let replay = Replay(newRows: try corpora.rows(besides: ["a"]), of: 115, ratio: 3)
    #expect(replay.newCount == 15 && replay.replayedCount == 45 && replay.count == 60)
    let batcher = corpora.batcher(replay)
    #expect(batcher.rowsPerEpoch == 60 && batcher.stepsPerEpoch == 8)
    let epochs = (0..<3).map { corpora.epoch($0, batcher) }
    for epoch in epochs {
        #expect(epoch.count == 60 && Set(epoch).count == 60)
        #expect(epoch.count { !$0.hasPrefix("a") } == 15)
        #expect(epoch.prefix(15).contains { $0.hasPrefix("a") }, "the rows are shuffled")
    }
    let old = epochs.map { Set($0.filter { $0.hasPrefix("a") }) }
    #expect(old[0] != old[1] && old[1] != old[2])
    #expect(old[0].union(old[1]).union(old[2]).count > 60)
}

@Test func replayDependsOnlyOnSeedAndEpoch() throws {
    let corpora = try Corpora([("a", 100), ("b", 10)])
    let replay = Replay(newRows: try corpora.rows(besides: ["a"]), of: 110, ratio: 3)
    let expected = corpora.epoch(1, corpora.batcher(replay))
    var resumed = corpora.batcher(replay)
    _ = resumed.batch(step: 3)
    #expect(corpora.epoch(1, resumed) == expected)
    #expect(Set(corpora.epoch(1, corpora.batcher(replay, seed: 2))) != Set(expected))
}

@Test func replayIsLimitedToTheOldRows() {
    #expect(Replay(newRows: [0..<10], of: 25, ratio: 3).replayedCount == 15)
    #expect(Replay(newRows: [0..<10], of: 25, ratio: 0).count == 10)
    #expect(Replay(newRows: [0..<3], of: 25, ratio: 0.5).replayedCount == 2)
    #expect(Replay(newRows: [0..<25], of: 25, ratio: 3).replayedCount == 0)
    // None of the new text is trained on.
    #expect(Replay(newRows: [], of: 25, ratio: 3).count == 1)
    #expect(Replay(newRows: [0..<10], of: 25, ratio: 1e300).replayedCount == 15)
}
