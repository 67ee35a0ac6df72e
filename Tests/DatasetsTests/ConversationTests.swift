import Conversations
import Datasets
import Jobs
import TextFilters
import Testing
import Tokenizers

/// The shards of a corpus of conversations.
private struct Built {
    let folder: TemporaryFolder
    let shards: TokenShards
    let tokenizer: ByteLevelBPETokenizer
    let markers: ConversationMarkers
    let corpus: JobCorpus

    init(
        _ conversations: [Conversation], _ objective: Objective = .clm, _ unit: SampleUnit = .auto, blockSize: Int = 64,
        heldOut: Double = 0, filters: [TextFilter] = []
    ) throws {
        folder = try TemporaryFolder()
        tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
            .withConversationMarkers()
        markers = try #require(tokenizer.conversationMarkers)
        let path = try folder.write("corpus.jsonl", conversations.flatMap { $0.line + [UInt8(ascii: "\n")] })
        var corpus = try JobCorpus(file: path, name: "corpus.jsonl")
        corpus.samples = .records
        self.corpus = corpus
        let source = ShardSource(
            corpora: [corpus], objective: objective, unit: unit, filters: filters, blockSize: blockSize,
            heldOut: heldOut,
            tokenizerDigest: "t")
        shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
    }

    var rows: [[Int32]] {
        (0..<shards.training.rows).map { row in
            var ids: [Int32] = []
            shards.training.append(row: row, to: &ids)
            return ids
        }
    }

    func batch() -> Batch {
        EvaluationBatches(
            shard: shards.training, objective: .clm, tokenizerVocabulary: tokenizer.vocabularySize,
            maximumTokens: 1 << 20,
            markers: markers
        ).makeIterator().next() ?? Batch()
    }
}

private func exchange(_ question: String, _ answer: String) -> [Conversation.Turn] {
    [.init(.user, question), .init(.assistant, answer)]
}

struct ConversationDatasetTests {
    @Test func aConversationIsOneRow() throws {
        let turns = [.init(.system, "Be kind.")] + exchange("Where?", "Here.")
        let built = try Built([Conversation(turns)])
        #expect(built.rows == [[0] + built.tokenizer.encode(turns, built.markers)])
        #expect(built.shards.summary?.corpora.map(\.samples) == [.conversations])
    }

    @Test func onlyRepliesAreLearned() throws {
        let built = try Built([Conversation(exchange("Where is it?", "Here.") + exchange("Why?", "So."))])
        let batch = built.batch()
        #expect(built.tokenizer.decode(batch.labels) == "Here.<|end|>So.<|end|>")
        for (row, label) in zip(batch.scoredRows, batch.labels) { #expect(batch.inputIDs[row + 1] == label) }
        #expect(built.shards.training.totals.textBytes == "Here.So.".utf8.count)
    }

    /// Each token of a reply is learned once, however long the conversation is and wherever rows end.
    @Test(arguments: [12, 20, 33, 64])
    func longConversationsContinueInFurtherRows(blockSize: Int) throws {
        let turns = (0..<9).flatMap { exchange("question \($0)?", "the answer of number \($0) is long") }
        let built = try Built([Conversation(turns)], blockSize: blockSize)
        #expect(built.rows.count > 1 && built.rows.allSatisfy { $0.count <= blockSize && $0[0] == 0 })
        #expect(built.rows.allSatisfy { built.markers.ids.contains($0[1]) }, "a row does not begin with a marker")
        let replies = turns.filter { $0.role == .assistant }.map { $0.content + "<|end|>" }.joined()
        #expect(built.tokenizer.decode(built.batch().labels) == replies)
    }

    @Test func exchangesAreNotDividedIfTheyFit() throws {
        let turns = (0..<6).flatMap { exchange("question \($0)?", "answer \($0)") }
        let built = try Built([Conversation(turns)], blockSize: 64)
        #expect(built.rows.allSatisfy { $0[1] == built.markers.user && $0.last == built.markers.end })
    }

    /// A question that is longer than a row is in rows without a reply, which teach nothing.
    @Test func rowsWithoutReplyAreLeftOutAndCounted() throws {
        let built = try Built([Conversation(exchange(String(repeating: "why ", count: 60), "So."))], blockSize: 32)
        #expect(built.rows.count == 1 && built.rows[0].contains(built.markers.assistant))
        #expect(built.shards.summary.map { $0.truncatedShare > 0.5 } == true)
    }

    @Test(arguments: [(Objective.mlm, SampleUnit.auto), (.mlm, .conversations), (.clm, .records), (.clm, .lines)])
    func otherUnitsAndMaskedModelsReadEachMessageAsLooseText(objective: Objective, unit: SampleUnit) throws {
        let built = try Built([Conversation(exchange("Where?", "Here."))], objective, unit)
        let texts = ["Where?", "Here."].map { built.tokenizer.encode($0, specialTokens: .asText) }
        #expect(built.rows == texts.map { [0] + $0 + [2] })
        #expect(built.shards.training.totals.textBytes == "Where?Here.".utf8.count)
    }

    /// A filter drops messages of loose text as it would drop records, and each is held out by itself.
    @Test func looseMessagesAreSamplesLikeRecords() throws {
        let folder = try TemporaryFolder()
        let conversations = (0..<200).map { Conversation(exchange("WHERE is it?", "Over THERE, no \($0)")) }
        let path = try folder.write("corpus.jsonl", conversations.flatMap { $0.line + [UInt8(ascii: "\n")] })
        var corpus = try JobCorpus(file: path, name: "corpus.jsonl")
        corpus.samples = .records
        let layout = try CorpusLayout(corpus: corpus, unit: .records)
        var reader = try SampleReader(
            corpus: corpus, layout: layout, filters: [.lowercase, .minWords(4)], seen: SeenTexts())
        var samples: [Sample] = []
        while let sample = try reader.next() { samples.append(sample) }
        #expect(
            samples
                == (0..<200).map {
                    Sample(text: "over there, no \($0)", hash: Sample.hash(of: "Over THERE, no \($0)"))
                })
        #expect(reader.counts.samples == 400 && reader.counts.filteredSamples == 200)
    }

    /// The context of a branch is in another conversation, too.
    @Test func repeatedMessagesAreContextOnly() throws {
        let branch = Conversation([.init(.user, "Where?", isRepeated: true), .init(.assistant, "There.")])
        let loose = try Built([Conversation(exchange("Where?", "Here.")), branch], .clm, .records)
        #expect(
            loose.rows
                == ["Where?", "Here.", "There."].map { [0] + loose.tokenizer.encode($0, specialTokens: .asText) + [2] })
        let built = try Built([branch], filters: [.dedupeLines])
        #expect(built.rows == [[0] + built.tokenizer.encode(branch.turns, built.markers)])
        #expect(built.shards.summary?.filters.map(\.unitsBefore) == [1])
    }

    @Test func consecutiveMessagesOfTheSameRoleAreLearnedAsOne() throws {
        let turns = exchange("Where?", "Here.") + [.init(.assistant, "And there.")]
        let built = try Built([Conversation(turns)])
        #expect(
            built.rows == [[0] + built.tokenizer.encode(exchange("Where?", "Here.\nAnd there."), built.markers)])
    }

    @Test func filtersApplyToMessages() throws {
        let conversations = [exchange("WHERE is it?", "Over THERE."), exchange("Why?", "No.")].map(Conversation.init)
        let built = try Built(conversations, filters: [.lowercase, .minWords(2)])
        #expect(built.tokenizer.decode(built.batch().labels) == "over there.<|end|>")
        #expect(built.shards.summary?.filteredUnits == 1)
    }

    @Test func aConversationIsHeldOutAsAWhole() throws {
        let conversations = (0..<400).map { Conversation(exchange("question \($0)", "answer \($0)")) }
        let built = try Built(conversations, heldOut: 0.3)
        let heldOut = conversations.filter {
            Sample(text: "", hash: Sample.hash(of: String(decoding: $0.line, as: UTF8.self))).isHeldOut(share: 0.3)
        }
        #expect(built.shards.heldOut.rows == heldOut.count && built.rows.count == 400 - heldOut.count)
        #expect(heldOut.count > 60)
    }

    @Test func otherTextIsNamedIfConversationsAreAskedFor() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("book.txt", "Only prose.\n".utf8)
        let corpus = try JobCorpus(file: path, name: "book.txt")
        #expect(throws: DatasetError.self) { try CorpusLayout(corpus: corpus, unit: .conversations) }
    }

    @Test func noiseLeavesMarkersAlone() throws {
        let conversations = (0..<50).map { Conversation(exchange("question \($0)", "answer \($0)")) }
        let built = try Built(conversations)
        var recipe = RecipeName.default.recipe(for: .clm)
        recipe.inputNoise = 0.9
        var batcher = Batcher(
            shard: built.shards.training, objective: .clm, batchSize: 50, recipe: recipe,
            tokenizerVocabulary: built.tokenizer.vocabularySize, markers: built.markers)
        let batch = batcher.batch(step: 0)
        #expect(batch.inputIDs.count { built.markers.ids.contains($0) } == 4 * 50)
    }
}
