import FoundationEssentials
import Glibc
import Kernels
import Models

/// The result of one comparison with the reference: the largest error and its tolerance.
public struct ParityResult: Encodable, Sendable {
    public let check: String
    public let error: Double
    public let tolerance: Double
    /// The tensor or position with the largest error.
    public let worst: String
    /// The parameter with the largest error, if parameters after AdamW steps were compared.
    public let element: AdamWElement?
    public var passed: Bool { error <= tolerance }

    init(check: String, error: Double, tolerance: Double, worst: String, element: AdamWElement? = nil) {
        self.check = check
        self.error = error
        self.tolerance = tolerance
        self.worst = worst
        self.element = element
    }

    enum CodingKeys: String, CodingKey {
        case check, error, tolerance, worst, element, passed
    }

    /// JSON has no infinity and no NaN.
    static func finite(_ value: Double) -> Double { value.isFinite ? value : 1e300 }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(check, forKey: .check)
        try container.encode(Self.finite(error), forKey: .error)
        try container.encode(tolerance, forKey: .tolerance)
        try container.encode(worst, forKey: .worst)
        try container.encodeIfPresent(element, forKey: .element)
        try container.encode(passed, forKey: .passed)
    }
}

/// Compares this project's forward pass, backward pass, optimizer and greedy decoding with PyTorch's.
public enum ParityCheck {
    /// A reference gradient with a norm below this value is mathematically zero and holds
    /// rounding noise (every `attention.self.key.bias`).
    static let zeroNorm = 1e-7

    public static func run(_ folder: GoldenFolder) throws -> [ParityResult] {
        var results = try forward(folder) + gradients(folder)
        results += try adamW(folder, "adamw5", weightDecay: 0)
        results += try adamW(folder, "adamw5_decay", weightDecay: 0.01)
        if folder.configuration.isDecoder { results += try greedy(folder) }
        return results
    }

    /// Returns the reference logits of every unpadded token, `[inputIDs.count, vocabSize]`.
    public static func expectedLogits(_ folder: GoldenFolder) throws -> [Float] {
        let vocabulary = folder.configuration.vocabSize
        let padded = try read(try folder.file("forward.safetensors"), "logits")
        return folder.paddedRows.flatMap { padded[$0 * vocabulary..<($0 + 1) * vocabulary] }
    }

    /// Compares the logits of every unpadded token, and the loss, with a tolerance of 1e-4.
    private static func forward(_ folder: GoldenFolder) throws -> [ParityResult] {
        let model = try folder.loadModel()
        let vocabulary = folder.configuration.vocabSize
        let logits = model.logits(
            inputIDs: folder.inputIDs, sequenceOffsets: folder.sequenceOffsets, rows: Array(folder.inputIDs.indices))
        let file = try folder.file("forward.safetensors")
        let expected = try read(file, "logits")
        var worst = Worst()
        for (row, padded) in folder.paddedRows.enumerated() {
            for id in 0..<vocabulary {
                let difference = Double(logits[row * vocabulary + id] - expected[padded * vocabulary + id])
                worst.note(abs(difference), "token \(row), id \(id)")
            }
        }
        let loss = folder.loss(folder.makePass(model))
        return [
            worst.result("logits", tolerance: 1e-4),
            ParityResult(
                check: "loss", error: abs(loss - Double(try read(file, "loss")[0])), tolerance: 1e-4, worst: "\(loss)"),
        ]
    }

    /// Compares each tensor's gradient; the norm of the difference may be 1e-3 of the reference's norm, or 1e-6 if the
    /// reference is zero.
    private static func gradients(_ folder: GoldenFolder) throws -> [ParityResult] {
        let model = try folder.loadModel()
        let gradients = Parameters(layout: model.parameters.layout)
        _ = folder.lossAndGradients(folder.makePass(model), gradients)
        let file = try folder.file("gradients.safetensors")
        var (worst, zero) = (Worst(), Worst())
        for entry in gradients.layout.entries {
            let ours = gradients[entry]
            let expected = try read(file, entry.name)
            let norm = sqrt(expected.reduce(0) { $0 + Double($1) * Double($1) })
            if norm < zeroNorm {
                zero.note(sqrt(ours.reduce(0) { $0 + Double($1) * Double($1) }), entry.name)
            } else {
                let difference = zip(ours, expected).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
                worst.note(sqrt(difference) / norm, entry.name)
            }
        }
        return [worst.result("gradients", tolerance: 1e-3), zero.result("zero gradients", tolerance: 1e-6)]
    }

    /// Decodes greedily, token by token, through the key-value cache. The first token's log-probabilities must be
    /// within 1e-4 of the forward pass's, and the ids must equal those of `generate(do_sample=False)`. In transformers
    /// 5 that function counts positions from 0, while its forward pass counts from 2; the ids are compared with
    /// positions from 0.
    private static func greedy(_ folder: GoldenFolder) throws -> [ParityResult] {
        let model = try folder.loadModel()
        var (different, probabilities) = (Worst(), Worst())
        for generated in try folder.generated() {
            let prompt = generated.prompt_ids
            let next = model.decode(prompt, cache: model.makeKeyValueCache(capacity: prompt.count))
            let sum = log(next.reduce(0) { $0 + exp(Double($1)) })
            for (id, expected) in generated.next_logprobs.enumerated() {
                probabilities.note(abs(Double(next[id]) - sum - expected), "‘\(generated.prompt)’, id \(id)")
            }
            let cache = model.makeKeyValueCache(capacity: generated.greedy_ids.count, firstPosition: 0)
            var ids = prompt
            var logits = model.decode(prompt, cache: cache)
            while ids.count < generated.greedy_ids.count {
                let best = Int32(logits.indices.max { (logits[$0], $1) < (logits[$1], $0) }!)
                ids.append(best)
                if ids.count < generated.greedy_ids.count { logits = model.decode([best], cache: cache) }
            }
            let wrong = zip(ids, generated.greedy_ids).filter { $0 != $1 }.count
            different.note(Double(wrong), "‘\(generated.prompt)’")
        }
        return [
            probabilities.result("next log-probabilities", tolerance: 1e-4),
            different.result("greedy ids", tolerance: 0),
        ]
    }

    static func read(_ file: SafetensorsFile, _ name: String) throws(ModelError) -> [Float] {
        guard let tensor = file.tensors[name] else {
            throw ModelError(path: file.path, reason: "the tensor `\(name)` is missing")
        }
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.count)
        defer { buffer.deallocate() }
        try file.read(name, shape: tensor.shape, into: buffer)
        return Array(buffer)
    }

    /// Tracks the largest error and where it occurred. NaN counts as infinite.
    struct Worst {
        var error = 0.0
        var place = ""

        mutating func note(_ found: Double, _ place: String) {
            let found = found.isNaN ? .infinity : found
            if found > error || self.place.isEmpty { (error, self.place) = (found, place) }
        }

        func result(_ check: String, tolerance: Double) -> ParityResult {
            ParityResult(check: check, error: error, tolerance: tolerance, worst: place)
        }
    }
}
