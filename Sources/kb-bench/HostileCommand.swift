import ArgumentParser
import Foundation
import Glibc
import Interface
import Synchronization
import Varlink

/// An ordinary user beside clients that mean no good: the real service with models of the usual size, and how long
/// `FillMask` takes before and meanwhile. The clients run as another user where this program runs as root, since users share
/// the service; otherwise all are one user, and the answer says little.
struct HostileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hostile", abstract: "Measure FillMask beside clients that ask for expensive things and hang up.")

    @Option(help: "Expensive calls.") var calls = 300
    @Option(help: "Questions of the ordinary user before the others come.") var questions = 300
    @Option(help: "A folder for models with random weights; kept, and used again.", completion: .directory)
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
            throw SoakError(description: "the service has died; its log is \(service.log)")
        }
        let report = HostileReport(calls: calls, idle: idle, busy: ordinary.takeTimes(), wrong: ordinary.wrong)
        print(try jsonLine(report))
        if ordinary.wrong > 0 { throw ExitCode.failure }
    }
}

/// What an ordinary user sees.
struct HostileReport: Encodable {
    let bench = "hostile"
    let calls: Int
    /// The others are another user.
    let otherUser = HostileClients.hasOtherUser
    let questions: Int
    let wrong: Int
    let idleP50Ms: Double
    let idleP99Ms: Double
    let busyP50Ms: Double
    let busyP99Ms: Double
    /// Of the 99th percentiles.
    let ratio: Double

    /// - Parameters:
    ///   - idle: milliseconds
    ///   - busy: milliseconds
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

/// Fills masks, one after the other, and looks whether the answers stay the same.
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

    /// - Throws: what the service refuses: it has no reason to
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

    /// Milliseconds of each question since the last time this was asked.
    func takeTimes() -> [Double] {
        state.withLock { state in
            defer { state.times = [] }
            return state.times
        }
    }
}
