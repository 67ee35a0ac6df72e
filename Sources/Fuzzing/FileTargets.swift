import Durable
import FoundationEssentials
import Glibc
import Models
import Settings
import Tokenizers

/// Targets for parsers that read a file. Each input is written to a private directory, in memory if possible.
extension FuzzTarget {
    /// A tokenizer that loads must encode and decode any text.
    static let tokenizer = FuzzTarget(name: "tokenizer", seeds: [smallTokenizer]) { input in
        inFolder("tokenizer.json", input) { folder in
            guard let tokenizer = try? ByteLevelBPETokenizer.load(directory: folder) else { return }
            for text in ["the  human\n", "ü\u{0}😀", String(decoding: input.prefix(200), as: UTF8.self)] {
                for specialTokens in SpecialTokensInText.allCases {
                    let ids = tokenizer.encode(text, specialTokens: specialTokens)
                    expect(
                        ids.allSatisfy { tokenizer.token($0) != nil },
                        "an id without a token for \(text.debugDescription)")
                    _ = tokenizer.decode(ids)
                }
            }
        }
    }

    static let configuration = FuzzTarget(
        name: "config",
        seeds: texts(
            #"{"architectures":["RobertaForMaskedLM"],"attention_probs_dropout_prob":0.1,"bos_token_id":0,"hidden_act":"gelu","hidden_size":32,"initializer_range":0.02,"intermediate_size":64,"is_decoder":false,"layer_norm_eps":1e-12,"max_position_embeddings":130,"model_type":"roberta","num_attention_heads":4,"num_hidden_layers":2,"pad_token_id":1,"tie_word_embeddings":true,"type_vocab_size":1,"vocab_size":320}"#
        )
    ) { input in
        inFolder("config.json", input) { folder in
            guard let configuration = try? ModelDirectory.configuration(of: folder) else { return }
            // An accepted configuration must have a layout: no product of its sizes may overflow.
            expect(ParameterLayout(configuration).count > 0, "a model without parameters")
        }
    }

    /// Every tensor of a file that opens must be within the file.
    static let safetensors = FuzzTarget(name: "safetensors", seeds: [smallSafetensors]) { input in
        inFolder("model.safetensors", input) { folder in
            guard let file = try? SafetensorsFile(path: folder + "/model.safetensors") else { return }
            for (name, tensor) in file.tensors {
                expect(tensor.range.lowerBound >= 8 && tensor.range.upperBound <= input.count, "\(name) is outside")
                var numbers = [Float](repeating: 0, count: tensor.count)
                numbers.withUnsafeMutableBufferPointer {
                    expect((try? file.read(name, shape: tensor.shape, into: $0)) != nil, "\(name) cannot be read")
                }
            }
        }
    }

    /// The index of a model in several files, with one shard that exists.
    static let shardIndex = FuzzTarget(
        name: "shard-index",
        seeds: texts(
            #"{"metadata":{"total_size":12},"weight_map":{"x":"model-00001-of-00001.safetensors"}}"#,
            #"{"weight_map":{"x":"model-00001-of-00002.safetensors","lm_head.bias":"model-00002-of-00002.safetensors"}}"#
        )
    ) { input in
        do { try Data(input).write(to: URL(filePath: "\(shardFolder)/\(ForeignWeights.indexFile)")) } catch {
            fatalError("\(error)")
        }
        guard let weights = try? ForeignWeights(directory: shardFolder) else { return }
        expect(!weights.tensors.isEmpty, "an index without tensors was accepted")
    }

    /// A model whose only shard has all tensors.
    private static let shardFolder: String = {
        let path = folder + "/shards"
        let configuration = RobertaConfiguration(
            vocabSize: 6, hiddenSize: 1, numHiddenLayers: 1, numAttentionHeads: 1, intermediateSize: 1,
            maxPositionEmbeddings: 5, isDecoder: false)
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try ModelDirectory.write(RobertaModel.initialized(configuration: configuration, seed: 1), to: path)
            try FileManager.default.moveItem(
                atPath: "\(path)/model.safetensors", toPath: "\(path)/model-00001-of-00001.safetensors")
        } catch {
            fatalError("\(error)")
        }
        return path
    }()

    static let settings = FuzzTarget(
        name: "settings",
        seeds: texts(
            "models: [a, b]\na:\n  objective: mlm\n  preset: tiny\n  filters: [lowercase]\nb:\n  objective: clm\n"
                + "  hidden_size: 64\n  schedule:\n    settle: 1m 30s\nsocket:\n  mode: \"0660\"\n",
            "serving:\n  temperature: 1e-3\n  precision: int8\n", "{models: [x], x: {objective: clm}}")
    ) { input in
        // Only `SettingsError` can be thrown, which the compiler checks.
        _ = try? Settings.parse(String(decoding: input, as: UTF8.self), file: "fuzz.yaml")
    }

    static func inFolder(_ name: String, _ content: [UInt8], _ body: (String) -> Void) {
        do { try Data(content).write(to: URL(filePath: "\(folder)/\(name)")) } catch { fatalError("\(error)") }
        body(folder)
    }

    static let folder: String = {
        let root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        let path = "\(root)/kb-fuzz-\(getpid())"
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            fatalError("\(error)")
        }
        atexit { try? FileManager.default.removeItem(atPath: FuzzTarget.folder) }
        return path
    }()

    private static let smallTokenizer: [UInt8] = {
        do {
            let trainer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary + 8, minFrequency: 1)
            Array("the human the human then".utf8).withUnsafeBytes { trainer.addSequence($0) }
            try trainer.train().save(directory: folder, modelMaxLength: 128)
            return try Durable.read("\(folder)/tokenizer.json")
        } catch { fatalError("\(error)") }
    }()

    private static let smallSafetensors: [UInt8] = {
        let header = Array(
            #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}"#
                .utf8)
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        return length + header + [UInt8](repeating: 7, count: 22)
    }()
}
