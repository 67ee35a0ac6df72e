import Dispatch
import Interface
import Synchronization
import Varlink

/// Latency of `FillMask` for sentences that differ.
struct FillMaskTiming: Encodable {
    var bench = "fill-mask"
    var dtype = "float32"
    var p50Ms: Double
    var p99Ms: Double
    /// The first candidate of the first sentence.
    var top: String

    static func measure(socket: String) throws -> FillMaskTiming {
        let client = try VarlinkClient(path: socket)
        var times: [Double] = []
        var top = ""
        for (index, text) in sentences.enumerated() {
            let (milliseconds, reply) = try timed {
                try client.call(InferenceInterface.FillMask.self, .init(text: text, model: "mlm"))
            }
            if index == 0 { top = reply.masks.first?.fillings.first?.tokenStr ?? "" }
            if index >= 3 { times.append(milliseconds) }
        }
        return FillMaskTiming(p50Ms: rounded(median(times), 2), p99Ms: rounded(times.max() ?? 0, 2), top: top)
    }

    /// 43: the first three warm up.
    private static let sentences: [String] = {
        let subjects = ["thinking", "knowledge", "reason", "experience", "judgement", "will", "intuition", "nature"]
        let verbs = ["involves", "requires", "contains", "precedes", "determines", "limits"]
        return (0..<43).map { "Human \(subjects[$0 % 8]) \(verbs[$0 / 8]) human <mask>." }
    }()
}

/// Tokens a second of `Generate`, streamed.
struct GenerateTiming: Encodable {
    var bench = "generate"
    var dtype = "float32"
    var streams: Int
    var tokensPerS: Double
    /// Until the reply to a prompt of 400 tokens that asks for one; null where the model's positions do not reach.
    var firstTokenMs400: Double?

    private enum CodingKeys: String, CodingKey {
        case bench, dtype, streams, tokensPerS
        case firstTokenMs400 = "first_token_ms_400"
    }

    static func measure(socket: String, streams: Int) throws -> GenerateTiming {
        _ = try generate(socket: socket, seed: 0, tokens: 8)
        let total = Mutex(0)
        let failure = Mutex<(any Error)?>(nil)
        let (milliseconds, _) = try timed {
            DispatchQueue.concurrentPerform(iterations: streams) { stream in
                do {
                    // A seed may end early at </s>: the next goes on until there are as many tokens as were asked for.
                    var (made, seed) = (0, 1 + 1_000 * stream)
                    while made < 100 {
                        made += try generate(socket: socket, seed: seed, tokens: 100 - made)
                        seed += 1
                    }
                    total.withLock { [made] in $0 += made }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
            if let error = failure.withLock({ $0 }) { throw error }
        }
        return GenerateTiming(
            streams: streams, tokensPerS: rounded(Double(total.withLock { $0 }) * 1_000 / milliseconds, 1),
            firstTokenMs400: streams == 1 ? try firstToken(socket: socket) : nil)
    }

    /// - Returns: the tokens that were generated, at least 1 so that a model that always ends is not asked for ever
    private static func generate(socket: String, seed: Int, tokens: Int) throws -> Int {
        let replies = try VarlinkClient(path: socket).callMore(
            InferenceInterface.Generate.self,
            .init(
                prompt: "I would like to assist", model: "clm",
                sampling: .init(maxNewTokens: tokens, temperature: 0.9, seed: seed)))
        var made = 0
        while let reply = try replies.next() { made = reply.generatedTokens ?? made }
        return max(made, 1)
    }

    private static func firstToken(socket: String) throws -> Double? {
        let client = try VarlinkClient(path: socket, errors: [InferenceInterface.PromptTooLong.self])
        let words = String(repeating: "The faculty of human reason has a peculiar fate in nature. ", count: 60)
        let ids = try client.call(InferenceInterface.Tokenize.self, .init(text: words, model: "clm")).ids
        let prompt = try client.call(
            InferenceInterface.Detokenize.self, .init(ids: Array(ids.prefix(399)), model: "clm")
        ).text
        var times: [Double] = []
        for seed in 0..<6 {
            do {
                let (milliseconds, _) = try timed {
                    try client.call(
                        InferenceInterface.Generate.self,
                        .init(prompt: prompt, model: "clm", sampling: .init(maxNewTokens: 1, seed: seed)))
                }
                if seed > 0 { times.append(milliseconds) }
            } catch is InferenceInterface.PromptTooLong {
                return nil
            }
        }
        return rounded(median(times), 1)
    }
}

private func timed<Value>(_ body: () throws -> Value) rethrows -> (milliseconds: Double, value: Value) {
    let start = ContinuousClock.now
    let value = try body()
    return ((ContinuousClock.now - start) / .milliseconds(1), value)
}

private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

private func rounded(_ value: Double, _ places: Int) -> Double {
    let scale = places == 1 ? 10.0 : 100.0
    return (value * scale).rounded() / scale
}
