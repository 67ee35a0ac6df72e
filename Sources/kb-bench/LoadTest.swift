import Dispatch
import Interface
import Synchronization
import Varlink

/// Runs many concurrent clients, some of which hang up. Every answer must equal the answer to a single client.
struct LoadTest: Encodable {
    var bench = "load"
    var dtype: String
    var clients: Int
    var seconds: Double
    var answers: Int
    var hangUps: Int
    var overloaded: Int
    var wrong: Int
    /// 99th percentile of `FillMask` latency under this load.
    var fillMaskP99Ms: Double

    /// A call with a deterministic answer.
    private enum Question: Sendable {
        case fill(String)
        case generate(seed: Int, tokens: Int)
        case score(String)

        static let all: [Question] =
            FillMaskTiming.sentences.prefix(12).map { .fill($0) }
            + (1...12).map { .generate(seed: $0, tokens: 5 * $0) }
            + ["mlm", "clm"].map { .score($0) }

        func answer(_ client: VarlinkClient) throws -> String {
            switch self {
            case .fill(let text):
                let reply = try client.call(InferenceInterface.FillMask.self, .init(text: text, model: "mlm"))
                return "\(reply.masks)"
            case .generate(let seed, let tokens):
                let reply = try client.call(
                    InferenceInterface.Generate.self,
                    .init(
                        prompt: GenerateTiming.prompt, model: "clm", sampling: .init(maxNewTokens: tokens, seed: seed)))
                return "\(reply.text) \(reply.generatedTokens ?? 0)"
            case .score(let model):
                let reply = try client.call(
                    InferenceInterface.Score.self, .init(text: GenerateTiming.longText, model: model))
                return "\(reply.logLikelihood) \(reply.tokens)"
            }
        }
    }

    private struct Tally {
        var answers = 0
        var hangUps = 0
        var overloaded = 0
        var wrong = 0
        var fillMilliseconds: [Double] = []
    }

    /// - Parameter socket: socket of a service with the models `mlm` and `clm`
    static func measure(socket: String, seconds: Double, clients: Int = 32, dtype: String) throws -> LoadTest {
        let alone = try VarlinkClient(path: socket)
        let expected = try Question.all.map { try $0.answer(alone) }
        let tally = Mutex(Tally())
        let start = ContinuousClock.now
        let group = DispatchGroup()
        for client in 0..<clients {
            DispatchQueue(label: "client \(client)").async(group: group) {
                var state = UInt32(truncatingIfNeeded: client &* 7_919 &+ 1)
                while (ContinuousClock.now - start).inSeconds < seconds {
                    state = state &* 1_664_525 &+ 1_013_904_223
                    ask(Int(state >> 8), socket, expected, tally)
                }
            }
        }
        group.wait()
        let all = tally.withLock { $0 }
        let times = all.fillMilliseconds.sorted()
        return LoadTest(
            dtype: dtype, clients: clients, seconds: decimals((ContinuousClock.now - start).inSeconds, 1),
            answers: all.answers, hangUps: all.hangUps, overloaded: all.overloaded, wrong: all.wrong,
            fillMaskP99Ms: times.isEmpty ? 0 : decimals(times[times.count * 99 / 100], 1))
    }

    private static func ask(_ number: Int, _ socket: String, _ expected: [String], _ tally: borrowing Mutex<Tally>) {
        do {
            let client = try VarlinkClient(path: socket, errors: [InferenceInterface.Overloaded.self])
            if number % 5 == 0 {
                let replies = try client.callMore(
                    InferenceInterface.Generate.self,
                    .init(prompt: GenerateTiming.prompt, model: "clm", sampling: .init(maxNewTokens: 200)))
                _ = try replies.next()
                // Deallocating the client closes the connection.
                tally.withLock { $0.hangUps += 1 }
                return
            }
            let index = number / 5 % expected.count
            let begun = ContinuousClock.now
            let answer = try Question.all[index].answer(client)
            let milliseconds = (ContinuousClock.now - begun) / .milliseconds(1)
            tally.withLock { tally in
                tally.answers += 1
                if answer != expected[index] { tally.wrong += 1 }
                if case .fill = Question.all[index] { tally.fillMilliseconds.append(milliseconds) }
            }
        } catch is InferenceInterface.Overloaded {
            tally.withLock { $0.overloaded += 1 }
        } catch {
            tally.withLock { $0.wrong += 1 }
        }
    }
}
