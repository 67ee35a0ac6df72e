import Datasets
import Durable
import FoundationEssentials
import Inference
import Jobs
import Models
import Tokenizers

/// Targets for model directories that the service opens and for token shards that a run maps.
extension FuzzTarget {
    static let trainingArguments = FuzzTarget(
        name: "training-args",
        seeds: texts(#"{"run":"r","filters":["lowercase",{"min_words":3}],"longest_position":9,"steps":1}"#)
    ) { input in
        inFolder("training_args.json", input) { folder in
            guard let facts = try? TrainingFacts.read(directory: folder, longestSequence: 16) else { return }
            expect((2...16).contains(facts.longestPosition), "longest position \(facts.longestPosition)")
        }
    }

    /// A file of a small model directory. The first byte selects the file, the rest is its contents.
    static let model = FuzzTarget(
        name: "model",
        seeds: modelFiles.indices.map { index in
            do {
                return [UInt8(index)] + (try Durable.read("\(modelFolder)/\(modelFiles[index])", atMost: 1 << 16))
            } catch { fatalError("\(error)") }
        }
    ) { input in
        guard let first = input.first else { return }
        let file = "\(modelFolder)/\(modelFiles[Int(first) % modelFiles.count])"
        do {
            let whole = try Durable.read(file, atMost: 1 << 16)
            defer { try? Data(whole).write(to: URL(filePath: file)) }
            try Data(input.dropFirst()).write(to: URL(filePath: file))
            guard let engine = try? InferenceEngine(directory: modelFolder) else { return }
            // The model answers, or throws an error.
            try? engine.requireFiniteAnswer()
            let text = engine.tokenizer.encode("the human <mask>", specialTokens: .maskOnly)
            expect(text.allSatisfy { $0 >= 0 && $0 < engine.configuration.vocabSize }, "an id outside of the embedding")
        } catch { fatalError("\(error)") }
    }

    /// A token shard with arbitrary contents and a valid checksum.
    static let tokenShard = FuzzTarget(name: "token-shard", seeds: [smallShard]) { input in
        var bytes = Array(input.dropLast(input.count % 8))
        guard bytes.count >= 72 else { return }
        var digest = ShardDigest()
        bytes.withUnsafeBytes { digest.add(UnsafeRawBufferPointer(rebasing: $0.dropLast(8))) }
        bytes.replaceSubrange((bytes.count - 8)..., with: withUnsafeBytes(of: digest.value) { Array($0) })
        let key = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: $0.count - 16, as: UInt64.self) }
        inFolder("x.tokens", bytes) { folder in
            guard
                let shard = try? TokenShard(
                    path: folder + "/x.tokens", key: key, vocabularySize: 300, longestRow: 32)
            else { return }
            let counts = shard.tokenCounts(vocabularySize: 300)
            expect(counts.reduce(0, +) == shard.totals.tokens, "tokens outside of rows")
            for row in 0..<shard.rows { expect(shard.length(ofRow: row) <= 32, "a row exceeds the maximum length") }
        }
    }

    private static let modelFiles = [
        "config.json", "model.safetensors", "tokenizer.json", "training_args.json", ".packed-float32",
    ]

    private static let modelFolder: String = {
        let path = folder + "/model"
        do {
            let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
            let configuration = RobertaConfiguration(
                vocabSize: tokenizer.vocabularySize, hiddenSize: 4, numHiddenLayers: 1, numAttentionHeads: 2,
                intermediateSize: 4, maxPositionEmbeddings: 12, isDecoder: false)
            try Durable.makeDirectory(path)
            try ModelDirectory.write(RobertaModel.initialized(configuration: configuration, seed: 1), to: path)
            try tokenizer.save(directory: path, modelMaxLength: 10)
            try Durable.write(#"{"run":"r","filters":[],"longest_position":9}"#, to: path + "/training_args.json")
            _ = try InferenceEngine(directory: path)
        } catch { fatalError("\(error)") }
        return path
    }()

    private static let smallShard: [UInt8] = {
        let corpus = folder + "/shard.txt"
        do {
            try Durable.write("the human\nthe other\n", to: corpus)
            try Durable.makeDirectory(folder + "/shards")
            let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
            let source = ShardSource(
                corpora: [try JobCorpus(file: corpus, name: "a")], objective: .mlm, unit: .lines,
                filters: [], blockSize: 32, heldOut: 0, tokenizerDigest: "t")
            _ = try TokenShards.build(directory: folder + "/shards", source: source, tokenizer: tokenizer)
            return try Durable.read(folder + "/shards/training.tokens", atMost: 1 << 16)
        } catch { fatalError("\(error)") }
    }()
}
