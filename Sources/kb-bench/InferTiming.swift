import Dispatch
import Glibc
import Interface
import Synchronization
import Varlink

/// Latency of `FillMask` for sentences that differ.
struct FillMaskTiming: Encodable {
    var bench = "fill-mask"
    var dtype: String
    var p50Ms: Double
    var p99Ms: Double
    /// The first candidate of the first sentence.
    var top: String

    static func measure(socket: String, model: String, pauseMilliseconds: Int, dtype: String) throws -> FillMaskTiming {
        let client = try VarlinkClient(path: socket)
        var times: [Double] = []
        var top = ""
        for (index, text) in sentences.enumerated() {
            if pauseMilliseconds > 0 { usleep(UInt32(1_000 * pauseMilliseconds)) }
            let (milliseconds, reply) = try timed {
                try client.call(InferenceInterface.FillMask.self, .init(text: text, model: model))
            }
            if index == 0 { top = reply.masks.first?.fillings.first?.tokenStr ?? "" }
            if index >= 3 { times.append(milliseconds) }
        }
        times.sort()
        return FillMaskTiming(
            dtype: dtype, p50Ms: rounded(median(times), 2), p99Ms: rounded(times[times.count * 99 / 100], 2), top: top)
    }

    /// 203: the first three warm up.
    static let sentences: [String] = {
        let subjects = ["thinking", "knowledge", "reason", "experience", "judgement", "will", "intuition", "nature"]
        let verbs = ["involves", "requires", "contains", "precedes", "determines", "limits"]
        let whose = ["human", "pure", "every", "our", "no"]
        return (0..<203).map { "Human \(subjects[$0 % 8]) \(verbs[$0 / 8 % 6]) \(whose[$0 / 48]) <mask>." }
    }()
}

/// Tokens a second of `Generate`, streamed.
struct GenerateTiming: Encodable {
    var bench = "generate"
    var dtype: String
    var streams: Int
    var tokensPerS: Double
    /// Until the reply to a prompt of 400 tokens that asks for one; null where the model's positions do not reach.
    var firstTokenMs400: Double?

    private enum CodingKeys: String, CodingKey {
        case bench, dtype, streams, tokensPerS
        case firstTokenMs400 = "first_token_ms_400"
    }

    static func measure(socket: String, model: String, streams: Int, dtype: String) throws -> GenerateTiming {
        _ = try generate(socket: socket, model: model, seed: 0, tokens: 8)
        let total = Mutex(0)
        let failure = Mutex<(any Error)?>(nil)
        let (milliseconds, _) = try timed {
            // Each has a thread of its own: `concurrentPerform` has no more than there are cores.
            let group = DispatchGroup()
            for stream in 0..<streams {
                DispatchQueue(label: "stream \(stream)").async(group: group) {
                    do {
                        // A seed may end early at </s>: the next goes on until there are as many tokens as were asked for.
                        var (made, seed) = (0, 1 + 1_000 * stream)
                        while made < 100 {
                            made += try generate(socket: socket, model: model, seed: seed, tokens: 100 - made)
                            seed += 1
                        }
                        total.withLock { [made] in $0 += made }
                    } catch {
                        failure.withLock { $0 = error }
                    }
                }
            }
            group.wait()
            if let error = failure.withLock({ $0 }) { throw error }
        }
        return GenerateTiming(
            dtype: dtype, streams: streams,
            tokensPerS: rounded(Double(total.withLock { $0 }) * 1_000 / milliseconds, 1),
            firstTokenMs400: streams == 1 ? try firstToken(socket: socket, model: model) : nil)
    }

    static let prompt = "I would like to assist"
    static let longText = "The faculty of human reason has a peculiar fate in nature. "

    /// - Returns: the tokens that were generated, at least 1 so that a model that always ends is not asked for ever
    private static func generate(socket: String, model: String, seed: Int, tokens: Int) throws -> Int {
        let replies = try VarlinkClient(path: socket).callMore(
            InferenceInterface.Generate.self,
            .init(
                prompt: prompt, model: model,
                sampling: .init(maxNewTokens: tokens, temperature: 0.9, seed: seed)))
        var made = 0
        while let reply = try replies.next() { made = reply.generatedTokens ?? made }
        return max(made, 1)
    }

    private static func firstToken(socket: String, model: String) throws -> Double? {
        let client = try VarlinkClient(path: socket, errors: [InferenceInterface.PromptTooLong.self])
        let words = String(repeating: longText, count: 60)
        let ids = try client.call(InferenceInterface.Tokenize.self, .init(text: words, model: model)).ids
        let prompt = try client.call(
            InferenceInterface.Detokenize.self, .init(ids: Array(ids.prefix(399)), model: model)
        ).text
        var times: [Double] = []
        for seed in 0..<6 {
            do {
                let (milliseconds, _) = try timed {
                    try client.call(
                        InferenceInterface.Generate.self,
                        .init(prompt: prompt, model: model, sampling: .init(maxNewTokens: 1, seed: seed)))
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
