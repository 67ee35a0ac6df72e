import Interface
import Synchronization
import Varlink

/// The requests of a soak test's clients. Checks that a generation always gives the same answer to the same request.
final class SoakLoad: Sendable {
    struct Counts: Sendable {
        var answers = 0
        var hangUps = 0
        var overloaded = 0
        var wrong = 0
        var failures: [String] = []
        /// The first answer of each generation to each request.
        var first: [String: String] = [:]
    }

    private let socket: String
    private let state = Mutex(Counts())
    var counts: Counts { state.withLock { $0 } }

    init(socket: String) { self.socket = socket }

    /// Sends one request over a new connection.
    func ask(_ random: inout UInt64) {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let number = Int(random >> 40)
        do {
            let client = try VarlinkClient(path: socket, errors: InferenceInterface.errors)
            switch number % 8 {
            case 0, 1, 2: try fill(client, number / 8 % 6)
            case 3: try generate(client, number / 8 % 6)
            case 4: try stream(client, number / 8 % 6)
            case 5: try hangUp(client)
            case 6:
                _ = try client.call(ManagerInterface.GetStatus.self, .init())
                state.withLock { $0.answers += 1 }
            default: try watch(client)
            }
        } catch is InferenceInterface.Overloaded {
            state.withLock { $0.overloaded += 1 }
        } catch {
            state.withLock { $0.failures.append("\(error)") }
        }
    }

    private func note(_ question: String, _ generation: Int, _ answer: String) {
        state.withLock { counts in
            counts.answers += 1
            let key = "\(generation) \(question)"
            if let first = counts.first[key] {
                if first != answer { counts.wrong += 1 }
            } else {
                counts.first[key] = answer
            }
        }
    }

    private func fill(_ client: VarlinkClient, _ number: Int) throws {
        let text = "the \(["law", "object", "time", "sense", "moral", "space"][number]) is <mask>"
        let reply = try client.call(InferenceInterface.FillMask.self, .init(text: text))
        note(text, reply.receipt.generation, "\(reply.masks)")
    }

    private func generate(_ client: VarlinkClient, _ seed: Int) throws {
        let reply = try client.call(InferenceInterface.Generate.self, question(seed))
        note("\(seed)", reply.receipt?.generation ?? 0, reply.text)
    }

    /// A streamed generation must give the same text as one in a single reply.
    private func stream(_ client: VarlinkClient, _ seed: Int) throws {
        let replies = try client.callMore(InferenceInterface.Generate.self, question(seed))
        var text = ""
        var generation = 0
        while let reply = try replies.next() {
            text += reply.text
            generation = reply.receipt?.generation ?? generation
        }
        note("\(seed)", generation, text)
    }

    private func question(_ seed: Int) -> InferenceInterface.Generate.Parameters {
        .init(prompt: "the pure", sampling: .init(maxNewTokens: 40, temperature: 1, seed: seed))
    }

    /// Abandons a stream: deallocating the client closes the connection.
    private func hangUp(_ client: VarlinkClient) throws {
        _ = try client.callMore(InferenceInterface.Generate.self, question(7)).next()
        state.withLock { $0.hangUps += 1 }
    }

    private func watch(_ client: VarlinkClient) throws {
        let replies = try client.callMore(ManagerInterface.Watch.self, .init())
        if try replies.wait(for: .seconds(1)) { _ = try replies.next() }
        state.withLock { $0.hangUps += 1 }
    }
}
