import ArgumentParser
import Dispatch
import Foundation
import Glibc
import Interface
import Synchronization
import Varlink

/// Runs the real service on a fresh state directory under load: training, many clients, and a new corpus every minute.
///
/// Prints a line for each sample of the process and a final line with the verdict.
struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak", abstract: "Run kantaibertd under load and detect leaks, lost corpora and wrong answers.")

    @Option(help: "Duration after both models are serving.") var minutes = 30.0
    @Option(help: "Number of concurrent clients.") var clients = 16
    @Option(help: "Seconds between two new texts.") var every = 60.0
    @Option(help: "Number of expensive calls per round of hostile clients; 0 disables them.") var hostile = 60
    @Option(help: "State directory of the service; a temporary one is used by default.", completion: .directory)
    var stateDir: String?

    func run() throws {
        let service = try SoakedService(directory: stateDir ?? "/tmp/kb-soak-\(getpid())")
        defer {
            service.stop()
            if stateDir == nil { service.remove() }
        }
        try service.start()
        try service.drop(0)
        try service.waitUntilServing()

        let ordinary = OrdinaryUser(socket: service.socket)
        try ordinary.ask(200)
        let idle = ordinary.takeTimes()
        let load = SoakLoad(socket: service.socket)
        let start = ContinuousClock.now
        let deadline = start + .seconds(minutes * 60)
        let group = DispatchGroup()
        for client in 0..<clients {
            DispatchQueue(label: "client \(client)").async(group: group) {
                var state = UInt64(client)
                while ContinuousClock.now < deadline { load.ask(&state) }
            }
        }
        let failure = Mutex<String?>(nil)
        DispatchQueue(label: "ordinary").async(group: group) {
            do {
                while ContinuousClock.now < deadline { try ordinary.ask(20) }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
        }
        if hostile > 0 {
            DispatchQueue(label: "hostile").async(group: group) { [hostile, socket = service.socket] in
                do {
                    while ContinuousClock.now < deadline {
                        try HostileClients.start(socket: socket, calls: hostile).wait()
                    }
                } catch {
                    failure.withLock { $0 = "\(error)" }
                }
            }
        }
        var samples: [SoakSample] = []
        var dropped = 1
        while ContinuousClock.now < deadline {
            sleep(5)
            let seconds = (ContinuousClock.now - start).inSeconds
            if seconds / every >= Double(dropped) {
                try service.drop(dropped)
                service.reload()
                dropped += 1
            }
            guard let sample = SoakSample(process: service.process.processIdentifier, seconds: seconds) else {
                throw SoakError(description: "the service has exited; its log is \(service.log)")
            }
            samples.append(sample)
            print(try jsonLine(sample))
            fflush(nil)
        }
        group.wait()
        if let failure = failure.withLock({ $0 }) { throw SoakError(description: failure) }
        print(
            try jsonLine(
                HostileReport(calls: hostile, idle: idle, busy: ordinary.takeTimes(), wrong: ordinary.wrong)))
        let verdict = SoakVerdict(
            samples: samples, load: load.counts, dropped: dropped, admitted: try service.admitted(), minutes: minutes)
        print(try jsonLine(verdict))
        if !verdict.flaws.isEmpty { throw ExitCode.failure }
    }
}

/// Resource use of the service's process at one point in time.
struct SoakSample: Encodable {
    let bench = "soak sample"
    let seconds: Double
    let rssBytes: Int
    let descriptors: Int
    let threads: Int

    /// Nil if the process does not exist.
    init?(process: Int32, seconds: Double) {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
        else { return nil }
        func number(_ key: String) -> Int? {
            status.split(separator: "\n").first { $0.hasPrefix(key + ":") }?
                .split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        }
        guard let kilobytes = number("VmRSS"), let threads = number("Threads") else { return nil }
        self.seconds = decimals(seconds, 1)
        rssBytes = kilobytes * 1024
        self.descriptors = descriptors
        self.threads = threads
    }
}

/// The result of a soak test.
struct SoakVerdict: Encodable {
    let bench = "soak"
    let minutes: Double
    let answers: Int
    let hangUps: Int
    let overloaded: Int
    let wrong: Int
    let failures: [String]
    let corporaDropped: Int
    let corporaAdmitted: Int
    let peakRSSBytes: Int
    /// Slope of a linear fit to the samples after the first third.
    let rssBytesPerHour: Int
    let descriptorsPerHour: Double
    let threadsPerHour: Double
    /// Problems found; empty if the test passed.
    let flaws: [String]

    init(samples: [SoakSample], load: SoakLoad.Counts, dropped: Int, admitted: Int, minutes: Double) {
        let late = Array(samples.dropFirst(samples.count / 3))
        func slope(_ value: (SoakSample) -> Int) -> Double {
            let x = late.map { $0.seconds / 3600 }
            let y = late.map { Double(value($0)) }
            let count = Double(max(1, late.count))
            let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
            let spread = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
            return spread == 0 ? 0 : zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / spread
        }
        self.minutes = minutes
        answers = load.answers
        hangUps = load.hangUps
        overloaded = load.overloaded
        wrong = load.wrong
        failures = Array(Set(load.failures)).sorted()
        corporaDropped = dropped
        corporaAdmitted = admitted
        peakRSSBytes = samples.map(\.rssBytes).max() ?? 0
        rssBytesPerHour = Int(slope(\.rssBytes))
        descriptorsPerHour = decimals(slope(\.descriptors), 1)
        threadsPerHour = decimals(slope(\.threads), 1)
        var flaws: [String] = []
        if load.wrong > 0 { flaws.append("\(load.wrong) wrong answers") }
        if !load.failures.isEmpty { flaws.append("\(load.failures.count) calls failed") }
        if admitted != dropped { flaws.append("\(dropped - admitted) corpora lost") }
        // Allowed growth: a tenth of the peak memory, and a few descriptors and threads for a run in progress.
        let hours = (late.last.map(\.seconds) ?? 0) / 3600 - (late.first.map(\.seconds) ?? 0) / 3600
        if Double(rssBytesPerHour) * hours > 0.1 * Double(peakRSSBytes) { flaws.append("memory use grows") }
        if descriptorsPerHour * hours > 8 { flaws.append("the number of descriptors grows") }
        if threadsPerHour * hours > 8 { flaws.append("the number of threads grows") }
        self.flaws = flaws
    }
}
