import ArgumentParser
import Foundation
import Glibc
import Interface
import Synchronization
import Varlink

/// Measures the latency of `FillMask` for an ordinary user, before and while hostile clients are active, with the real
/// service and models of the usual size. If this program runs as root, the clients run as a different user, because the
/// service shares its capacity by user; otherwise all run as one user, and the result is not meaningful.
struct HostileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hostile", abstract: "Measure FillMask while other clients send expensive requests and hang up.")

    @Option(help: "Number of expensive calls.") var calls = 300
    @Option(help: "Number of FillMask calls before the hostile clients start.") var questions = 300
    @Option(help: "A folder for models with random weights, which are kept and reused.", completion: .directory)
    var models: String?

    func run() throws {
        let made = models ?? "/tmp/kb-hostile-models-\(getpid())"
        try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: true)
        defer { if models == nil { try? FileManager.default.removeItem(atPath: made) } }
        let random = try RandomModels(folder: made)
        let service = try SoakedService(
            directory: "/tmp/kb-hostile-\(getpid())", models: ["kantaibert": random.mlm, "assistant": random.clm])
        defer {
            service.stop()
            service.remove()
        }
        try service.start()
        try service.waitUntilServing()

        let ordinary = OrdinaryUser(socket: service.socket)
        try ordinary.ask(questions / 10)
        _ = ordinary.takeTimes()
        try ordinary.ask(questions)
        let idle = ordinary.takeTimes()
        let clients = try HostileClients.start(socket: service.socket, calls: calls)
        while clients.isRunning { try ordinary.ask(1) }
        try clients.wait()
        guard service.process.isRunning else {
            throw SoakError(description: "the service has exited; its log is \(service.log)")
        }
        let report = HostileReport(calls: calls, idle: idle, busy: ordinary.takeTimes(), wrong: ordinary.wrong)
        print(try jsonLine(report))
        if ordinary.wrong > 0 { throw ExitCode.failure }
    }
}

/// Latency measured by an ordinary user.
struct HostileReport: Encodable {
    let bench = "hostile"
    let calls: Int
    /// Whether the hostile clients run as a different user.
    let otherUser = HostileClients.hasOtherUser
    let questions: Int
    let wrong: Int
    let idleP50Ms: Double
    let idleP99Ms: Double
    let busyP50Ms: Double
    let busyP99Ms: Double
    /// Busy 99th percentile divided by the idle one.
    let ratio: Double

    /// - Parameters:
    ///   - idle: latencies before the hostile clients start, in milliseconds
    ///   - busy: latencies while they run, in milliseconds
    init(calls: Int, idle: [Double], busy: [Double], wrong: Int) {
        func percentile(_ times: [Double], _ percent: Int) -> Double {
            let sorted = times.sorted()
            return sorted.isEmpty ? 0 : decimals(sorted[min(sorted.count - 1, sorted.count * percent / 100)], 2)
        }
        self.calls = calls
        questions = busy.count
        self.wrong = wrong
        idleP50Ms = percentile(idle, 50)
        idleP99Ms = percentile(idle, 99)
        busyP50Ms = percentile(busy, 50)
        busyP99Ms = percentile(busy, 99)
        ratio = idleP99Ms > 0 ? decimals(busyP99Ms / idleP99Ms, 2) : 0
    }
}

/// Sends `FillMask` calls one after the other and checks that the answers do not change.
final class OrdinaryUser: Sendable {
    private struct State {
        var times: [Double] = []
        var first: [String: String] = [:]
        var asked = 0
        var wrong = 0
    }

    private let socket: String
    private let state = Mutex(State())
    var wrong: Int { state.withLock { $0.wrong } }

    init(socket: String) { self.socket = socket }

    /// - Throws: any error of a call; the service has no reason to reject one
    func ask(_ count: Int) throws {
        for _ in 0..<count {
            let number = state.withLock { state in
                defer { state.asked += 1 }
                return state.asked % FillMaskTiming.sentences.count
            }
            let text = FillMaskTiming.sentences[number]
            let begun = ContinuousClock.now
            let client = try VarlinkClient(path: socket, errors: InferenceInterface.errors)
            let reply = try client.call(InferenceInterface.FillMask.self, .init(text: text))
            let milliseconds = (ContinuousClock.now - begun) / .milliseconds(1)
            let key = "\(reply.receipt.generation) \(text)"
            let answer = "\(reply.masks)"
            state.withLock { state in
                state.times.append(milliseconds)
                if let first = state.first[key], first != answer { state.wrong += 1 }
                state.first[key] = state.first[key] ?? answer
            }
        }
    }

    /// Returns the latencies since the last call of this function, in milliseconds.
    func takeTimes() -> [Double] {
        state.withLock { state in
            defer { state.times = [] }
            return state.times
        }
    }
}
