import Foundation
import Inference
import Tokenizers
import Jobs
import TextFilters
import Testing

@Suite struct EngineTests {
    @Test func computesSHA256OfWeights() {
        // sha256sum Fixtures/*/model.safetensors
        #expect(Fixture.mlm.modelSHA256 == "57b33ccc3fc5c59ef76d78d8bd669bed7e0caa147d57bd07e8b5ef792b1c41fa")
        #expect(Fixture.clm.modelSHA256 == "57b33ccc3fc5c59ef76d78d8bd669bed7e0caa147d57bd07e8b5ef792b1c41fa")
    }

    @Test func readsObjectiveFromConfiguration() {
        #expect(Fixture.mlm.objective == .mlm)
        #expect(Fixture.clm.objective == .clm)
    }

    @Test func tokenizesAndDetokenizes() async throws {
        let text = "naïve café — <mask> 🙂"
        let (ids, tokens) = try await Fixture.mlm.tokenize(text)
        #expect(ids.count == tokens.count)
        #expect(ids.contains(4) && tokens.contains("<mask>"))
        #expect(try await Fixture.mlm.detokenize(ids) == text)
        // Only a masked model has masks, and all other special tokens are text.
        #expect(try await !Fixture.clm.tokenize(text).ids.contains(4))
        let special = try await Fixture.mlm.tokenize("<s></s><mask>")
        #expect(special.ids.filter { $0 < 5 } == [4])
        await #expect(
            throws: InferenceError.invalidParameter("ids", reason: "element 1 is 310, which is not a token id")
        ) {
            try await Fixture.mlm.detokenize([5, 310])
        }
        await #expect(
            throws: InferenceError.invalidParameter("ids", reason: "element 0 is -1, which is not a token id")
        ) {
            try await Fixture.mlm.detokenize([-1])
        }
    }

    /// Returns the path and the reason with which a directory is rejected.
    func refusal(_ change: (Fixture.Copy) throws -> Void) throws -> (path: String, reason: String) {
        let copy = try Fixture.Copy(of: "clm")
        try change(copy)
        do {
            _ = try InferenceEngine(directory: copy.directory)
        } catch InferenceError.load(let path, let reason) {
            return (String(path.dropFirst(copy.directory.count)), reason)
        }
        Issue.record("the directory was accepted")
        return ("", "")
    }

    @Test func rejectsTruncatedWeights() throws {
        let refusal = try refusal { copy in
            let handle = try FileHandle(forWritingTo: URL(filePath: copy.directory + "/model.safetensors"))
            try handle.truncate(atOffset: 100_000)
        }
        #expect(refusal.path == "/model.safetensors")
    }

    @Test func rejectsConfigurationThatDoesNotMatchTensors() throws {
        let refusal = try refusal { copy in try copy.edit("config.json") { $0["hidden_size"] = 64 } }
        #expect(!refusal.reason.isEmpty)
    }

    @Test func rejectsTokenizerLargerThanEmbedding() throws {
        let refusal = try refusal { copy in
            try copy.edit("tokenizer.json") { object in
                var model = object["model"] as! [String: Any]
                var vocabulary = model["vocab"] as! [String: Int]
                for id in vocabulary.count...320 { vocabulary["extra\(id)"] = id }
                model["vocab"] = vocabulary
                object["model"] = model
            }
        }
        #expect(refusal.reason.contains("321 tokens") && refusal.reason.contains("320 rows"))
    }

    @Test func rejectsInvalidTrainingArguments() throws {
        let refusal = try refusal { copy in
            try Data("{".utf8).write(to: URL(filePath: copy.directory + "/training_args.json"))
        }
        #expect(refusal.path == "/training_args.json")
    }

    @Test func readsTrainingArgumentsOfOtherVersions() throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 10, filters: [.lowercase])
        try copy.edit("training_args.json") { object in
            object["recipe"] = nil
            object["unknown"] = 1
        }
        let arguments = try InferenceEngine(directory: copy.directory).trainingArguments
        #expect(arguments?.longestPosition == 10)
        #expect(arguments?.filters == [.lowercase])
        #expect(arguments?.run == "r")
    }

    @Test func reportsMissingFileByPath() throws {
        for file in ["config.json", "model.safetensors"] {
            let refusal = try refusal { copy in try FileManager.default.removeItem(atPath: copy.directory + "/" + file)
            }
            #expect(refusal.path == "/" + file)
        }
    }
}
