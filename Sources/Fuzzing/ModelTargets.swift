import Datasets
import Durable
import FoundationEssentials
import Inference
import Jobs
import Models
import Tokenizers

/// What the service opens of a whole model directory, and what a run maps into its memory.
extension FuzzTarget {
    static let trainingArguments = FuzzTarget(
        name: "training-args",
        seeds: texts(#"{"run":"r","filters":["lowercase",{"min_words":3}],"longest_position":9,"steps":1}"#)
    ) { input in
        inFolder("training_args.json", input) { folder in
            guard let facts = try? TrainingFacts.read(directory: folder, longestSequence: 16) else { return }
            expect((2...16).contains(facts.longestPosition), "a longest position of \(facts.longestPosition)")
        }
    }

    /// One file of a small model directory: the first byte says which, the rest is what stands in it.
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
            // It answers, or says that it cannot.
            try? engine.requireFiniteAnswer()
            let text = engine.tokenizer.encode("the human <mask>")
            expect(text.allSatisfy { $0 >= 0 && $0 < engine.configuration.vocabSize }, "an id outside the embedding")
        } catch { fatalError("\(error)") }
    }

    /// A shard whose checksum is right, whatever else it says.
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
            expect(counts.reduce(0, +) == shard.totals.tokens, "tokens that are in no row")
            for row in 0..<shard.rows { expect(shard.length(ofRow: row) <= 32, "a row that is too long") }
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
