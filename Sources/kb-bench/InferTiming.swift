import Dispatch
import Glibc
import Interface
import Synchronization
import Varlink

/// Latency of `FillMask` for distinct sentences.
struct FillMaskTiming: Encodable {
    var bench = "fill-mask"
    var dtype: String
    /// Number of concurrent clients; each sends its next sentence after the previous answer.
    var clients: Int
    var p50Ms: Double
    var p99Ms: Double
    /// Throughput of all clients together.
    var sentencesPerS: Double
    /// The first candidate for the first sentence.
    var top: String

    static func measure(
        socket: String, model: String, clients: Int = 1, pauseMilliseconds: Int, dtype: String
    ) throws -> FillMaskTiming {
        let all = Mutex((times: [Double](), top: ""))
        let (milliseconds, _) = try timed {
            try together(clients) { client in
                let connection = try VarlinkClient(path: socket)
                for index in sentences.indices {
                    if pauseMilliseconds > 0 { usleep(UInt32(1_000 * pauseMilliseconds)) }
                    let text = sentences[(index + 29 * client) % sentences.count]
                    let (milliseconds, reply) = try timed {
                        try connection.call(InferenceInterface.FillMask.self, .init(text: text, model: model))
                    }
                    all.withLock { all in
                        if index + client == 0 { all.top = reply.masks.first?.fillings.first?.tokenStr ?? "" }
                        if index >= 3 { all.times.append(milliseconds) }
                    }
                }
            }
        }
        let (times, top) = all.withLock { ($0.times.sorted(), $0.top) }
        return FillMaskTiming(
            dtype: dtype, clients: clients, p50Ms: rounded(median(times), 2),
            p99Ms: rounded(times[times.count * 99 / 100], 2),
            sentencesPerS: rounded(Double(clients * sentences.count) * 1_000 / milliseconds, 1), top: top)
    }

    /// 203 sentences, of which the first three are the warm-up.
    static let sentences: [String] = {
        let subjects = ["thinking", "knowledge", "reason", "experience", "judgement", "will", "intuition", "nature"]
        let verbs = ["involves", "requires", "contains", "precedes", "determines", "limits"]
        let whose = ["human", "pure", "every", "our", "no"]
        return (0..<203).map { "Human \(subjects[$0 % 8]) \(verbs[$0 / 8 % 6]) \(whose[$0 / 48]) <mask>." }
    }()
}

/// Throughput of `Generate` in tokens per second, streamed.
struct GenerateTiming: Encodable {
    var bench = "generate"
    var dtype: String
    var streams: Int
    /// Maximum number of tokens in an answer.
    var answerTokens: Int
    var tokensPerS: Double
    /// Time until the reply to a 400-token prompt with one new token; null if the model does not support that length.
    var firstTokenMs400: Double?

    private enum CodingKeys: String, CodingKey {
        case bench, dtype, streams, answerTokens, tokensPerS
        case firstTokenMs400 = "first_token_ms_400"
    }

    /// - Parameter answerTokens: tokens per call; each stream repeats the call until it has 100 tokens
    static func measure(
        socket: String, model: String, streams: Int, answerTokens: Int = 100, dtype: String
    ) throws -> GenerateTiming {
        _ = try generate(socket: socket, model: model, seed: 0, tokens: 8)
        let total = Mutex(0)
        let (milliseconds, _) = try timed {
            try together(streams) { stream in
                // A generation may end early at </s>; the next seed continues until enough tokens are generated.
                var (made, seed) = (0, 1 + 1_000 * stream)
                while made < 100 {
                    made += try generate(
                        socket: socket, model: model, seed: seed, tokens: min(answerTokens, 100 - made))
                    seed += 1
                }
                total.withLock { [made] in $0 += made }
            }
        }
        return GenerateTiming(
            dtype: dtype, streams: streams, answerTokens: answerTokens,
            tokensPerS: rounded(Double(total.withLock { $0 }) * 1_000 / milliseconds, 1),
            firstTokenMs400: streams == 1 ? try firstToken(socket: socket, model: model) : nil)
    }

    static let prompt = "I would like to assist"
    static let longText = "The faculty of human reason has a peculiar fate in nature. "

    /// - Returns: the number of generated tokens, at least 1, so that a model that always ends at
    ///   once terminates the loop
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

/// Calls `body` on `count` threads concurrently and rethrows the last error.
private func together(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let failure = Mutex<(any Error)?>(nil)
    // One thread per call: `concurrentPerform` uses at most as many threads as there are cores.
    let group = DispatchGroup()
    for index in 0..<count {
        DispatchQueue(label: "client \(index)").async(group: group) {
            do { try body(index) } catch { failure.withLock { $0 = error } }
        }
    }
    group.wait()
    if let error = failure.withLock({ $0 }) { throw error }
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
