import Foundation
import Glibc
import Inference
import Jobs
import Kernels
import Models
import Testing

/// Malicious or damaged model directories.
@Suite(.timeLimit(.minutes(15))) struct HostileFolderTests {
    /// Returns the file that the engine rejects, and the reason.
    private func refusal(_ directory: String) throws -> (file: String, reason: String) {
        let error = #expect(throws: InferenceError.self) { try InferenceEngine(directory: directory) }
        guard case .load(let path, let reason) = try #require(error) else {
            Issue.record("\(String(describing: error))")
            return ("", "")
        }
        return (String(path.dropFirst(directory.count)), reason)
    }

    @Test(arguments: [Int.min, -1, 0, 1, 65, Int.max])
    func rejectsInvalidLongestPosition(longest: Int) throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 10)
        try copy.edit("training_args.json") { $0["longest_position"] = longest }
        let (file, reason) = try refusal(copy.directory)
        #expect(file == "/training_args.json" && reason.contains("`longest_position` is \(longest)"))
    }

    /// The longest sequence must fit into the position table, otherwise a long prompt would read beyond it.
    @Test func limitsSequencesToPositionTable() async throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 62)
        let engine = try InferenceEngine(directory: copy.directory)
        let long = String(repeating: "reason ", count: 100)
        await #expect(throws: InferenceError.self) { try await engine.generate(long) }
        #expect(try await engine.score(long).logLikelihood.isFinite)
    }

    @Test(arguments: [
        ("vocab_size", 1, "/config.json"), ("max_position_embeddings", 3, "/config.json"),
        ("num_hidden_layers", 16_000_000, "/config.json"), ("vocab_size", 100, ""),
    ])
    func rejectsInconsistentConfiguration(key: String, value: Int, file: String) throws {
        let copy = try Fixture.Copy(of: "mlm")
        try copy.edit("config.json") { $0[key] = value }
        let found = try refusal(copy.directory)
        #expect(file.isEmpty || found.file == file, "\(found)")
    }

    static let files = [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training_args.json",
        "generation_config.json",
    ]

    @Test(arguments: files, ["pipe", "a link to /dev/zero", "a link to a file", "a terabyte"])
    func rejectsSpecialAndTooLargeFiles(file: String, kind: String) throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 10)
        let path = "\(copy.directory)/\(file)"
        switch kind {
        case "pipe":
            try? FileManager.default.removeItem(atPath: path)
            try #require(mkfifo(path, 0o600) == 0)
        case "a link to /dev/zero":
            try? FileManager.default.removeItem(atPath: path)
            try #require(symlink("/dev/zero", path) == 0)
        case "a link to a file":
            let other = path + ".real"
            if FileManager.default.fileExists(atPath: path) {
                try FileManager.default.moveItem(atPath: path, toPath: other)
            } else {
                try Data("{}".utf8).write(to: URL(filePath: other))
            }
            try #require(symlink(other, path) == 0)
        default:
            if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
            // Some file systems do not support files of this size.
            guard truncate(path, 1 << 40) == 0 else { return }
        }
        #expect(try refusal(copy.directory).file == "/" + file)
    }

    /// Modifications of `tokenizer.json`, and a part of the expected reason.
    @Test(arguments: [
        ("\"<s>\"", "\"<S>\"", "<s>"), ("\"<mask>\"", "\"<MASK>\"", "<mask>"), ("\"<pad>\"", "\"<PAD>\"", "<pad>"),
        ("\"id\":1,", "\"id\":5,", "id"), ("\"id\":0,", "\"id\":-1,", "id"), ("\"id\":0,", "\"id\":999999,", "id"),
    ])
    func rejectsTokenizerWithoutSpecialTokens(from: String, to: String, says: String) throws {
        let copy = try Fixture.Copy(of: "mlm")
        let url = URL(filePath: copy.directory + "/tokenizer.json")
        let text = try String(contentsOf: url, encoding: .utf8)
        // Normalizes the formatting of the file first.
        let compact = try JSONSerialization.data(
            withJSONObject: JSONSerialization.jsonObject(with: Data(text.utf8)),
            options: [.sortedKeys, .withoutEscapingSlashes])
        let changed = String(decoding: compact, as: UTF8.self).replacing(from, with: to)
        try #require(changed.contains(to))
        try Data(changed.utf8).write(to: url)
        #expect(try refusal(copy.directory).reason.contains(says))
    }

    @Test(arguments: ["mlm", "clm"], [Float.nan, .infinity, 3.4e38])
    func rejectsNonFiniteWeightsByTensorName(model: String, number: Float) throws {
        let copy = try Fixture.Copy(of: model)
        let name = try Self.poison(copy, with: number)
        let (file, reason) = try refusal(copy.directory)
        #expect(file == "/model.safetensors" && reason.contains("`\(name)`"), "\(reason)")
        #expect(!FileManager.default.fileExists(atPath: copy.directory + "/.packed-float32"))
    }

    /// Finite weights can still produce non-finite logits, which only running the model detects.
    @Test func detectsNonFiniteOutput() throws {
        let good = try Fixture.Copy(of: "mlm")
        let engine = try InferenceEngine(directory: good.directory)
        #expect(throws: Never.self) { try engine.requireFiniteAnswer() }
        let copy = try Fixture.Copy(of: "mlm")
        _ = try Self.poison(copy, with: 3e38, all: "LayerNorm.weight")
        let poisoned = try InferenceEngine(directory: copy.directory)
        let error = #expect(throws: InferenceError.self) { try poisoned.requireFiniteAnswer() }
        #expect("\(String(describing: error))".contains("non-finite"))
    }

    /// A directory counts as checked only for the same bytes and the same precision.
    @Test func checkedFileIsValidUntilAByteChanges() throws {
        let copy = try Fixture.Copy(of: "mlm")
        #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) == nil)
        let engine = try InferenceEngine(directory: copy.directory)
        #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) == nil)
        try CheckedFile.write(for: engine)
        #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) == engine.modelSHA256)
        #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .int8) == nil)
        let known = try InferenceEngine(directory: copy.directory, modelSHA256: engine.modelSHA256)
        #expect(known.modelSHA256 == engine.modelSHA256)
        for file in ["config.json", "tokenizer.json", "model.safetensors", ".checked"] {
            let url = URL(filePath: "\(copy.directory)/\(file)")
            let whole = try Data(contentsOf: url)
            var changed = whole
            changed[changed.count - 1] ^= 1
            try changed.write(to: url)
            #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) == nil, "\(file)")
            try whole.write(to: url)
            #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) != nil, "\(file)")
        }
        try Data("{}".utf8).write(to: URL(filePath: copy.directory + "/training_args.json"))
        #expect(CheckedFile.modelSHA256(ofDirectory: copy.directory, .float32) == nil)
    }

    @Test func convertsImportedModels() throws {
        let copy = try Fixture.Copy(of: "mlm")
        try Data("[1]".utf8).write(to: URL(filePath: copy.directory + "/training_args.json"))
        let destination = copy.directory + "/made"
        try ModelConversion.convert(from: copy.directory, to: destination, objective: .mlm)
        #expect(try InferenceEngine(directory: destination).trainingArguments == nil)
        #expect(throws: InferenceError.self) {
            try ModelConversion.convert(from: copy.directory, to: destination + "2", objective: .clm)
        }
        // Our own models keep their training facts and are rejected if those are invalid.
        try copy.addTrainingArguments(longestPosition: 9)
        try ModelConversion.convert(from: copy.directory, to: destination + "3", objective: .mlm)
        #expect(try InferenceEngine(directory: destination + "3").trainingArguments?.longestPosition == 9)
        try copy.edit("training_args.json") { $0["longest_position"] = Int.min }
        #expect(throws: InferenceError.self) {
            try ModelConversion.convert(from: copy.directory, to: destination + "4", objective: .mlm)
        }
    }

    /// What a clone of a repository contains if Git LFS is not installed.
    @Test(arguments: ["model.safetensors", "tokenizer.json", "model-00001-of-00001.safetensors"])
    func namesGitLFSPointers(file: String) throws {
        let copy = try Fixture.Copy(of: "mlm")
        let pointer = """
            version https://git-lfs.github.com/spec/v1
            oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
            size 498627950

            """
        try Data(pointer.utf8).write(to: URL(filePath: "\(copy.directory)/\(file)"))
        let error = #expect(throws: InferenceError.self) {
            try ModelConversion.convert(from: copy.directory, to: copy.directory + "/made", objective: .mlm)
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(
            text.contains("\(file)") && text.contains("is a Git LFS pointer") && text.contains("git lfs pull"),
            "\(text)")
    }

    /// Random damage to each file: the engine either answers with valid values or throws.
    @Test(arguments: files.filter { $0 != "generation_config.json" } + [".packed-float32"], ["mlm", "clm"])
    func damagedFilesNeverTrap(file: String, model: String) async throws {
        let copy = try Fixture.Copy(of: model)
        try copy.addTrainingArguments(longestPosition: 20)
        _ = try InferenceEngine(directory: copy.directory)
        let url = URL(filePath: "\(copy.directory)/\(file)")
        guard let whole = try? Data(contentsOf: url) else { return }
        var random = Damage(seed: 16)
        for round in 0..<60 {
            try random.damaged(whole).write(to: url)
            let engine: InferenceEngine
            do throws(InferenceError) {
                engine = try InferenceEngine(directory: copy.directory)
            } catch {
                guard case .load = error else {
                    Issue.record("round \(round): \(error)")
                    continue
                }
                continue
            }
            let text = "The<mask> of pure reason 🙂"
            do {
                if engine.objective == .mlm {
                    let found = try await engine.fillMask(text, topK: 3).masks
                    #expect(found.joined().allSatisfy { (0...1).contains($0.score) }, "round \(round)")
                } else {
                    _ = try await engine.generate("Reason", sampling: .init(maxNewTokens: 4, seed: 1))
                }
                #expect(try await engine.score("pure reason").logLikelihood <= 1e-6, "round \(round)")
                try engine.requireFiniteAnswer()
            } catch is InferenceError {
                // An error is expected; a trap is not.
            }
        }
    }

    /// Writes a number to the middle of a tensor, or to all elements of the tensors whose names have the given suffix.
    /// - Returns: the name of the (last) tensor
    private static func poison(_ copy: Fixture.Copy, with number: Float, all suffix: String? = nil) throws -> String {
        let path = copy.directory + "/model.safetensors"
        let file = try SafetensorsFile(path: path)
        let wanted = suffix ?? "lm_head.dense.weight"
        var bytes = try Data(contentsOf: URL(filePath: path))
        var poisoned = ""
        for (name, tensor) in file.tensors where name.hasSuffix(wanted) {
            try #require(tensor.type == .float32)
            let places = suffix == nil ? [tensor.count / 2] : Array(0..<tensor.count)
            for place in places {
                let start = tensor.range.lowerBound + 4 * place
                bytes.replaceSubrange(start..<start + 4, with: withUnsafeBytes(of: number) { Data($0) })
            }
            poisoned = name
        }
        try #require(!poisoned.isEmpty)
        try bytes.write(to: URL(filePath: path))
        return poisoned
    }
}

/// Reproducible random damage.
struct Damage {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func next(_ bound: Int) -> Int {
        // SplitMix64
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }

    private static let numbers = [
        "0", "-1", "1", "2", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e308", "1e-320",
        "0.5", "65536", "4294967296", "null", "[]", "{}", "\"\"",
    ]

    /// Flips bits, truncates, or replaces a number.
    mutating func damaged(_ whole: Data) -> Data {
        var bytes = whole
        switch next(4) {
        case 0: return whole.prefix(next(whole.count + 1))
        case 1:
            for _ in 0...next(4) { bytes[next(bytes.count)] ^= 1 << UInt8(next(8)) }
        case 2:
            // Near the start, where headers are.
            for _ in 0...next(4) { bytes[next(min(bytes.count, 400))] ^= 1 << UInt8(next(8)) }
        default:
            let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
            guard !digits.isEmpty else { return whole.prefix(next(whole.count + 1)) }
            let start = digits[next(digits.count)]
            var end = start
            while end < bytes.count, (0x30...0x39).contains(bytes[end]) { end += 1 }
            bytes.replaceSubrange(start..<end, with: Data(Self.numbers[next(Self.numbers.count)].utf8))
        }
        return bytes
    }
}
