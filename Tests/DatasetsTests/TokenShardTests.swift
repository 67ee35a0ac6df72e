import Datasets
import FoundationEssentials
import Jobs
import TextFilters
import Testing
import Tokenizers

private let text = """
    The objects we are intuiting are not in themselves what we intuit.

    Thoughts without content are empty,
    intuitions without concepts are blind.

    """

/// Returns a tokenizer with little more than the byte alphabet.
private func byteTokenizer() throws -> ByteLevelBPETokenizer {
    let trainer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2)
    return try trainer.train()
}

private struct Built {
    let folder: TemporaryFolder
    let source: ShardSource
    let shards: TokenShards
    let tokenizer: ByteLevelBPETokenizer

    /// - Parameter texts: the text of each corpus
    init(
        _ objective: Objective, _ unit: SampleUnit, blockSize: Int, heldOut: Double = 0, truncates: Bool = false,
        texts: [String] = [text]
    ) throws {
        folder = try TemporaryFolder()
        tokenizer = try byteTokenizer()
        let corpora = try texts.enumerated().map { [folder] index, text in
            let path = try folder.write("corpus-\(index).txt", text.utf8)
            return try JobCorpus(file: path, name: "corpus.txt")
        }
        source = ShardSource(
            corpora: corpora, objective: objective, unit: unit, filters: [], blockSize: blockSize, heldOut: heldOut,
            truncates: truncates, tokenizerDigest: "t")
        shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
    }

    func rows(_ shard: TokenShard) -> [[Int32]] {
        (0..<shard.rows).map { row in
            var ids: [Int32] = []
            shard.append(row: row, to: &ids)
            return ids
        }
    }
}

@Test func mlmSplitsSampleIntoRows() throws {
    let built = try Built(.mlm, .lines, blockSize: 50)
    let lines = text.split(separator: "\n").map(String.init)
    let expected = lines.flatMap { line -> [[Int32]] in
        let ids = built.tokenizer.encode(line, specialTokens: .asText)
        return stride(from: 0, to: ids.count, by: 48).map { [0] + ids[$0..<min($0 + 48, ids.count)] + [2] }
    }
    #expect(built.rows(built.shards.training) == expected)
    #expect(built.shards.summary?.trainedShare == 1)
}

@Test func truncatesSampleToOneRow() throws {
    let texts = [text + String(repeating: "A sentence of a long line. ", count: 200)]
    let built = try Built(.mlm, .lines, blockSize: 50, truncates: true, texts: texts)
    let lines = texts[0].split(separator: "\n").map(String.init)
    let expected = lines.map { [0] + built.tokenizer.encode($0, specialTokens: .asText).prefix(48) + [2] }
    #expect(built.rows(built.shards.training) == expected)
    #expect(built.shards.training.totals.longestRow == 50)
    let summary = try #require(built.shards.summary)
    let tokens = lines.reduce(0) { $0 + built.tokenizer.encode($1, specialTokens: .asText).count }
    let trained = expected.reduce(0) { $0 + $1.count - 2 }
    #expect(summary.tokens == tokens)
    #expect(abs(summary.truncatedShare - Double(tokens - trained) / Double(tokens)) < 1e-3)
    #expect(abs(summary.trainedShare + summary.truncatedShare - 1) < 1e-9)
}

/// The pieces of a long paragraph that are on the same side are one text.
@Test(arguments: [SampleUnit.paragraphs, .packed])
func rowsContinueBetweenPieces(unit: SampleUnit) throws {
    let long = (0..<300).map { "Sentence \($0) of one paragraph." }.joined(separator: " ")
    let whole = try Built(.clm, unit, blockSize: 32, texts: [long])
    #expect(
        whole.rows(whole.shards.training).flatMap { $0.dropFirst() } == whole.tokenizer.encode(
            long, specialTokens: .asText) + [2])
    let split = try Built(.clm, unit, blockSize: 32, heldOut: 0.3, texts: [long])
    let ends = [split.shards.training, split.shards.heldOut].map { shard in
        split.rows(shard).joined().count { $0 == 2 }
    }
    // A `</s>` where the side changes, and at the end.
    #expect(ends[0] > 1 && ends[1] > 1 && abs(ends[0] - ends[1]) <= 1)
    #expect(split.shards.training.totals.textBytes + split.shards.heldOut.totals.textBytes == long.utf8.count)
}

/// An interrupted run that an older version began continues with its shards.
@Test func keyOfOlderSettingsIsUnchanged() {
    func source(_ unit: SampleUnit, truncates: Bool = false) -> ShardSource {
        ShardSource(
            corpora: [], objective: .mlm, unit: unit, filters: [.lowercase], blockSize: 128, heldOut: 0.05,
            truncates: truncates, tokenizerDigest: "t")
    }
    let parts = ["|", "mlm", "lines", "|", "lowercase", "|", "128", "0.05", "t"]
    #expect(source(.lines).key == Sample.hash(of: parts.joined(separator: "\u{0}")))
    #expect(Set([source(.lines), source(.auto), source(.lines, truncates: true)].map(\.key)).count == 3)
}

@Test func clmSplitsSampleIntoRows() throws {
    let built = try Built(.clm, .paragraphs, blockSize: 32)
    let paragraphs = text.split(separator: "\n\n").map { $0.split(separator: "\n").joined(separator: "\n") }
    // As hf_check.py: ids = tokens + </s>, pieces of block − 1, <s> before each.
    let expected = paragraphs.flatMap { paragraph -> [[Int32]] in
        let ids = built.tokenizer.encode(String(paragraph), specialTokens: .asText) + [2]
        return stride(from: 0, to: ids.count, by: 31).map { [0] + ids[$0..<min($0 + 31, ids.count)] }
    }
    #expect(built.rows(built.shards.training) == expected)
}

@Test(arguments: [Objective.mlm, .clm])
func specialTokensInACorpusAreText(objective: Objective) throws {
    let lines = ["a </s> b", "<s><mask><pad><unk>", "</s>"]
    for unit in [SampleUnit.lines, .packed] {
        let separator = unit == .lines ? "\n" : "\n\n"
        let built = try Built(objective, unit, blockSize: 100, texts: [lines.joined(separator: separator)])
        let rows = built.rows(built.shards.training)
        let text = rows.map { built.tokenizer.decode($0.filter { $0 > 4 }) }.joined()
        #expect(text == lines.joined(), "\(unit)")
        // `<s>` begins a row, `</s>` ends a sample, and there are no other control tokens.
        #expect(rows.allSatisfy { $0[0] == 0 && !$0.dropFirst().contains(0) })
        #expect(rows.joined().filter { (1...4).contains($0) } == [2, 2, 2])
    }
}

/// Packed rows for a block size of six: `<` and `/` stand for `<s>` and `</s>`, a letter for its token.
private let packings: [(texts: [String], clm: [String], mlm: [String])] = [
    (["ab"], ["<ab/"], ["<ab/"]),
    (["abcd\n\nef\n\nghijk"], ["<abcd/", "<ef/gh", "<ijk/"], ["<abcd/", "<ef/g/", "<hijk/"]),
    (["abcd\n\nef\n", "ghijk\n"], ["<abcd/", "<ef/gh", "<ijk/"], ["<abcd/", "<ef/g/", "<hijk/"]),
    // In a masked row with one place left, no token fits before the final `</s>`.
    (["abc\n\ndef"], ["<abc/d", "<ef/"], ["<abc/", "<def/"]),
    (["abcde"], ["<abcde", "</"], ["<abcd/", "<e/"]),
    (["abcdefghijklm\n\nn"], ["<abcde", "<fghij", "<klm/n", "</"], ["<abcd/", "<efgh/", "<ijkl/", "<m/n/"]),
    ([""], [], []),
]

@Test(arguments: packings)
func packedRowsAreFullExceptTheLast(texts: [String], clm: [String], mlm: [String]) throws {
    for (objective, expected) in [(Objective.clm, clm), (.mlm, mlm)] {
        let built = try Built(objective, .packed, blockSize: 6, texts: texts)
        let rows: [[Int32]] = expected.map { row in
            row.flatMap {
                $0 == "<" ? [0] : $0 == "/" ? [2] : built.tokenizer.encode(String($0), specialTokens: .asText)
            }
        }
        #expect(built.rows(built.shards.training) == rows, "\(objective)")
        let letters = texts.joined().utf8.count { $0 != UInt8(ascii: "\n") }
        #expect(built.shards.training.totals.textTokens == letters)
        #expect(built.shards.training.totals.textBytes == letters)
        #expect(built.shards.heldOut.rows == 0)
    }
}

@Test func packsTrainingAndHeldOutSeparately() throws {
    let paragraphs = (0..<300).map { "paragraph \($0)" + String(repeating: "!", count: $0 % 40) }
    let built = try Built(
        .clm, .packed, blockSize: 32, heldOut: 0.3,
        texts: [paragraphs[..<100].joined(separator: "\n\n"), paragraphs[100...].joined(separator: "\n\n")])
    let sides = [(built.shards.training, false), (built.shards.heldOut, true)]
    for (shard, isHeldOut) in sides {
        let samples = paragraphs.map { Sample(text: $0, hash: Sample.hash(of: $0)) }
        let chosen = samples.filter { $0.isHeldOut(share: 0.3) == isHeldOut }.map(\.text)
        try #require(chosen.count > 50)
        let stream: [Int32] = chosen.flatMap { built.tokenizer.encode($0, specialTokens: .asText) + [2] }
        let rows = built.rows(shard)
        #expect(rows.flatMap { $0.dropFirst() } == stream)
        #expect(rows.allSatisfy { $0[0] == 0 } && rows.dropLast().allSatisfy { $0.count == 32 })
        #expect(shard.totals.textTokens == stream.count - chosen.count)
        #expect(shard.totals.textBytes == chosen.reduce(0) { $0 + $1.utf8.count })
        // The basis of bits per byte: every token and every `</s>` is scored once.
        let batches = EvaluationBatches(
            shard: shard, objective: .clm, tokenizerVocabulary: built.tokenizer.vocabularySize, maximumTokens: 100)
        #expect(batches.flatMap(\.labels) == stream)
    }
}

@Test func shardsRoundTrip() throws {
    let built = try Built(.clm, .lines, blockSize: 16, heldOut: 0.5)
    let again = try TokenShards(
        directory: built.folder.path, source: built.source, vocabularySize: built.tokenizer.vocabularySize)
    #expect(built.rows(again.training) == built.rows(built.shards.training))
    #expect(built.rows(again.heldOut) == built.rows(built.shards.heldOut))
}

@Test func duplicateSamplesAreOnOneSide() throws {
    let lines = (0..<200).map { "sample number \($0 % 100)" }
    let built = try Built(.mlm, .lines, blockSize: 64, heldOut: 0.3, texts: [lines.joined(separator: "\n")])
    let training = Set(built.rows(built.shards.training))
    let heldOut = Set(built.rows(built.shards.heldOut))
    #expect(!training.isEmpty && !heldOut.isEmpty)
    #expect(training.isDisjoint(with: heldOut))
    #expect(training.count + heldOut.count == 100)
}

@Test func detectsAnyDamagedByte() throws {
    let built = try Built(.mlm, .lines, blockSize: 32)
    let path = "\(built.folder.path)/training.tokens"
    let whole = try Data(contentsOf: URL(filePath: path))
    for place in whole.indices {
        var damaged = whole
        damaged[place] ^= 0x40
        try damaged.write(to: URL(filePath: path))
        #expect(throws: DatasetError.self, "byte \(place) of \(whole.count)") {
            try TokenShards(
                directory: built.folder.path, source: built.source,
                vocabularySize: built.tokenizer.vocabularySize)
        }
    }
    for length in [0, 8, whole.count / 2, whole.count - 8, whole.count - 1] {
        try whole.prefix(length).write(to: URL(filePath: path))
        #expect(throws: DatasetError.self, "cut to \(length)") {
            try TokenShards(
                directory: built.folder.path, source: built.source,
                vocabularySize: built.tokenizer.vocabularySize)
        }
    }
}

@Test func rejectsShardsOfAnotherSource() throws {
    let built = try Built(.mlm, .lines, blockSize: 32)
    let other = ShardSource(
        corpora: built.source.corpora, objective: .mlm, unit: .lines, filters: [.lowercase], blockSize: 32, heldOut: 0,
        tokenizerDigest: "t")
    #expect(throws: DatasetError.self) {
        try TokenShards(
            directory: built.folder.path, source: other, vocabularySize: built.tokenizer.vocabularySize)
    }
}

/// Token ids index the embedding, and the longest row determines memory allocation.
@Test func rejectsShardWithIdsOrRowsOutOfRange() throws {
    let built = try Built(.mlm, .lines, blockSize: 32)
    let largest = built.rows(built.shards.training).joined().max().map(Int.init) ?? 0
    func open(_ vocabularySize: Int, _ longestRow: Int) throws(DatasetError) {
        _ = try TokenShard(
            path: "\(built.folder.path)/training.tokens", key: built.source.key, vocabularySize: vocabularySize,
            longestRow: longestRow)
    }
    try open(largest + 1, 32)
    for (vocabularySize, longestRow, field) in [(largest, 32, "token"), (largest + 1, 31, "longest row")] {
        let error = #expect(throws: DatasetError.self) { try open(vocabularySize, longestRow) }
        guard case .shard(_, field, _, _) = error else {
            Issue.record("\(String(describing: error))")
            continue
        }
    }
}

@Test func changedCorpusProducesNoShards() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("corpus.txt", text.utf8)
    let source = ShardSource(
        corpora: [try JobCorpus(file: path, name: "kant.txt")], objective: .mlm, unit: .lines, filters: [],
        blockSize: 64, heldOut: 0, tokenizerDigest: "t")
    // Same size, but a different last byte.
    _ = try folder.write("corpus.txt", Array(text.utf8).dropLast() + [UInt8(ascii: "!")])
    let error = try #require(throws: DatasetError.self) {
        try TokenShards.build(directory: folder.path, source: source, tokenizer: byteTokenizer())
    }
    guard case .otherBytes(name: "kant.txt", sha256: source.corpora[0].sha256, path: path, _) = error else {
        Issue.record("\(error)")
        return
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/training.tokens"))
}
