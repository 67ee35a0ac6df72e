import Foundation
import Inference
import Jobs
import TestSupport
import TextFilters

/// The small models in `Fixtures` and the reference output of transformers for them.
///
/// `mlm` and `clm` are directories written by transformers 5.23 (random weights, 320 rows of which 310 have a token, 64
/// positions). `transformers.json` is the output of
/// `Tests/Parity/inference_reference.py --mlm mlm --clm clm < request.json`.
enum Fixture {
    static let mlm = try! InferenceEngine(directory: copies[0].directory)
    static let clm = try! InferenceEngine(directory: copies[1].directory)
    /// Copies, because an engine writes its packed weights to the model directory.
    private static let copies = [try! Copy(of: "mlm"), try! Copy(of: "clm")]

    static func path(_ name: String) -> String { Bundle.module.bundlePath + "/Fixtures/" + name }

    static func read<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(contentsOf: URL(filePath: path(name))))
    }

    static var request: Request { get throws { try read(Request.self, "request.json") } }
    static var reference: Reference { get throws { try read(Reference.self, "transformers.json") } }

    struct Request: Decodable {
        struct Fill: Decodable {
            var text: String
            var topK: Int
            var targets: [String]?
        }
        struct Greedy: Decodable {
            var prompt: String
            var maxNewTokens: Int
        }
        struct Tokens: Decodable {
            var ids: [Int32]
            var top: Int
        }
        struct Warpers: Decodable {
            var logits: [Double]
            var cases: [WarperCase]
        }
        struct WarperCase: Decodable {
            var temperature: Double?
            var topK: Int?
            var topP: Double?
            var minP: Double?
            var repetitionPenalty: Double?
            var history: [Int32]?
        }
        var fill: [Fill]
        var greedy: [Greedy]
        var score: [String: [String]]
        var tokens: [Tokens]
        var embed: [String: [String]]
        var warpers: Warpers
    }

    struct Reference: Decodable {
        struct Filling: Decodable {
            var score: Double
            var token: Int32
            var tokenStr: String
            var sequence: String
        }
        struct Greedy: Decodable {
            var text: String
            var tokens: [Int32]
        }
        struct Score: Decodable {
            var logLikelihood: Double
            var tokens: Int
        }
        struct Likely: Decodable {
            var id: Int32
            var logProbability: Double
        }
        struct Tokens: Decodable {
            var logProbabilities: [Double]
            var top: [[Likely]]
        }
        struct Embedding: Decodable {
            var embedding: [Double]
            var tokens: Int
        }
        var fill: [[[Filling]]]
        var greedy: [Greedy]
        var score: [String: [Score]]
        var tokens: [Tokens]
        var embed: [String: [Embedding]]
        var warpers: [[Double]]
    }

    /// A modifiable copy of a fixture model, removed with the last reference.
    final class Copy: Sendable {
        let directory = NSTemporaryDirectory() + "inference-\(UUID().uuidString)"

        init(of name: String) throws {
            try copyFolder(Fixture.path(name), to: directory)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        /// Modifies a JSON file of the directory.
        func edit(_ file: String, _ change: (inout [String: Any]) -> Void) throws {
            let url = URL(filePath: directory + "/" + file)
            var object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as! [String: Any]
            change(&object)
            try JSONSerialization.data(withJSONObject: object).write(to: url)
        }

        /// Adds `training_args.json` as written by `kantaibert-train`, with the given values.
        func addTrainingArguments(longestPosition: Int, filters: [TextFilter] = []) throws {
            let job = Job(
                run: "r", model: "m", generation: 1, objective: .clm, architecture: Preset.tiny.architecture,
                recipe: RecipeName.default.recipe(for: .clm), corpora: [], samples: .paragraphs, filters: filters,
                tokenizer: nil, wordCountsDirectory: nil, runDirectory: "r", outputDirectory: "o")
            let arguments = TrainingArguments(
                job: job, longestPosition: longestPosition, steps: 1, trainingTokens: 1, tokenizerVocabulary: 320,
                evaluation: nil)
            try JobCoding.encode(arguments).write(to: URL(filePath: directory + "/training_args.json"))
        }
    }
}
