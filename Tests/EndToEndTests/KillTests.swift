import Foundation
import Glibc
import Jobs
import Testing

@Suite(
    "Killing runs", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct KillTests {
    /// Number of kills of a running process.
    static let wantedKills = 50

    /// KANTAIBERT_TEST_SEED sets the seed (default 1). It determines the aims; the actual moments
    /// also depend on timing.
    @Test("Fifty kills, during writes and at other times, do not change the published bytes")
    func killedRunGivesSameBytes() throws {
        let seed = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_SEED"].flatMap(UInt64.init) ?? 1
        var random = SplitMix64(state: seed)
        let tiny = try TinyJob(.mlm)
        let undisturbed = try Undisturbed(tiny)
        var killPoints: [KillPoint: Int] = [:]
        var (kills, finished) = (0, 0)
        // The last run is allowed to finish.
        while kills < Self.wantedKills || tiny.hasBegun {
            let lastStep = try tiny.checkpoints().keys.max() ?? 0
            let aim = kills < Self.wantedKills ? undisturbed.aim(killPoints, lastStep: lastStep, &random) : .nowhere
            let place: Comment = "seed \(seed), kill \(kills + 1), \(aim), from checkpoint \(lastStep)"
            let (ended, pid) = try tiny.run(threads: .random(in: 1...3, using: &random), killed: aim)

            if let started = try ended.runEvents().started { #expect(started.resumedStep == lastStep, place) }
            #expect(!ended.error.contains("damaged checkpoint"), "\(place): \(ended.error)")
            // A checkpoint under its final name must equal that of an undisturbed run.
            for (step, digest) in try tiny.checkpoints() {
                #expect(digest == undisturbed.checkpoints[step], "checkpoint-\(step), \(place)")
            }
            let published = try tiny.published()
            #expect(published == nil || published == undisturbed.published, place)
            if ended.status == 128 + SIGKILL {
                kills += 1
                killPoints[try tiny.killPoint(ofKilled: pid), default: 0] += 1
            } else {
                try #require(ended.status == 0, "\(place): \(ended.error)")
                #expect(published != nil, place)
                let leftovers = try leftovers(in: tiny.folder)
                #expect(leftovers == [], place)
                finished += 1
                try tiny.startOver()
            }
        }
        let report = KillPoint.allCases.map { "\(killPoints[$0, default: 0]) \($0.rawValue)" }.joined(separator: ", ")
        print("seed \(seed): \(kills) kills: \(report); \(finished) runs finished")
        #expect(3 * KillPoint.writes(killPoints) >= kills, "seed \(seed): \(report)")
        #expect(finished > 1, "seed \(seed)")
    }
}

/// When to kill a run, in seconds.
private enum Aim {
    case nowhere
    case anywhere(after: Double)
    /// After the run begins to write the checkpoint of this step.
    case checkpoint(step: Int, after: Double)
    /// After the run begins to write the model directory.
    case publishing(after: Double)
}

/// What a killed run was doing, judged by the files it left.
private enum KillPoint: String, CaseIterable {
    case checkpoint = "while a checkpoint was written"
    case publishing = "while the model was published"
    case removal = "while an old checkpoint was removed"
    case elsewhere = "elsewhere"

    static func writes(_ killPoints: [KillPoint: Int]) -> Int {
        killPoints[.checkpoint, default: 0] + killPoints[.publishing, default: 0]
    }
}

/// The results and the duration of an undisturbed run.
private struct Undisturbed {
    let published: [String: String]
    /// SHA-256 of each checkpoint's state, by step.
    let checkpoints: [Int: String]
    let seconds: Double
    /// Duration from the previous step or evaluation to the checkpoint event.
    let checkpointSeconds: Double
    let publishingSeconds: Double
    private let job: Job

    init(_ tiny: TinyJob) throws {
        job = tiny.job
        try tiny.startOver { $0.recipe.saveTotalLimit = 1000 }
        try #require(try tiny.run(threads: 2).status == 0)
        checkpoints = try tiny.checkpoints()
        try #require(checkpoints.values.allSatisfy { $0.utf8.count == 64 }, "\(checkpoints)")
        try tiny.startOver { [job] in $0 = job }

        let began = ContinuousClock.now
        let ended = try tiny.run(threads: 2)
        seconds = (ContinuousClock.now - began) / .seconds(1)
        try #require(ended.status == 0, "\(ended.error)")
        published = try #require(try tiny.published())
        let events = try ended.runEvents()
        func length(before kind: String) -> Double {
            let lengths = zip(events, events.dropFirst()).filter { $1.kind == kind }
                .map { $1.time.timeIntervalSince($0.time) }
            return lengths.reduce(0, +) / Double(max(lengths.count, 1))
        }
        // Events have a resolution of one millisecond.
        checkpointSeconds = max(length(before: "checkpoint"), 0.003)
        publishingSeconds = max(length(before: "published"), 0.003)
        try tiny.startOver()
    }

    /// Chooses when to kill. A fifth of the kills must hit each kind of write, with more attempts if some miss;
    /// together they exceed the required third. The other moments are random.
    func aim(_ killPoints: [KillPoint: Int], lastStep: Int, _ random: inout SplitMix64) -> Aim {
        let kills = killPoints.values.reduce(0, +)
        let next = lastStep + TinyJob.saveSteps * Int.random(in: 1...3, using: &random)
        if 5 * killPoints[.checkpoint, default: 0] <= kills, next <= TinyJob.steps {
            return .checkpoint(step: next, after: .random(in: 0..<checkpointSeconds, using: &random))
        }
        if 5 * killPoints[.publishing, default: 0] <= kills {
            return .publishing(after: .random(in: 0..<publishingSeconds, using: &random))
        }
        return .anywhere(after: .random(in: 0..<seconds, using: &random))
    }
}

extension TinyJob {
    private static let prefix = "checkpoint-"

    /// Runs the job and kills it at the given moment.
    fileprivate func run(threads: Int, killed aim: Aim) throws -> (ended: Programs.Output, pid: pid_t) {
        var pid: pid_t = 0
        let ended = try run(threads: threads) { process in
            pid = process.processIdentifier
            let wait: Double
            switch aim {
            case .nowhere:
                return
            case .anywhere(let seconds):
                wait = seconds
            case .checkpoint(let step, let seconds):
                let name = "\(TinyJob.prefix)\(step)"
                guard try hasBegun(name, in: job.runDirectory, process) else { return }
                wait = seconds
            case .publishing(let seconds):
                guard try hasBegun("\(job.generation)", in: modelFolder, process) else { return }
                wait = seconds
            }
            usleep(UInt32(wait * 1e6))
            if process.isRunning { kill(pid, SIGKILL) }
        }
        return (ended, pid)
    }

    /// Waits until `process` begins to write the file or folder that will have this name.
    /// - Returns: false if the process ended before
    private func hasBegun(_ name: String, in folder: String, _ process: Process) throws -> Bool {
        let watch = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        defer { close(watch) }
        guard watch >= 0, inotify_add_watch(watch, folder, UInt32(IN_CREATE)) >= 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        var events = [UInt8](repeating: 0, count: 4096)
        while process.isRunning {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            if names.contains(where: { $0.hasPrefix(".\(name).\(process.processIdentifier)-") }) { return true }
            var waiting = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, 20)
            while read(watch, &events, events.count) > 0 {}
        }
        return false
    }

    /// Returns the SHA-256 of each checkpoint's state by step, or the reason it is damaged.
    fileprivate func checkpoints() throws -> [Int: String] {
        struct State: Decodable {
            var step: Int
            var stateSha256: String
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: job.runDirectory)
        return names.reduce(into: [:]) { digests, name in
            guard name.hasPrefix(TinyJob.prefix), let step = Int(name.dropFirst(TinyJob.prefix.count)) else { return }
            let folder = "\(job.runDirectory)/\(name)"
            do {
                let json = try Data(contentsOf: URL(filePath: "\(folder)/checkpoint.json"))
                let state = try JobCoding.decode(State.self, from: json)
                let digest = try sha256(ofFile: "\(folder)/state.safetensors")
                digests[step] = state.step == step && state.stateSha256 == digest ? digest : "not what \(state) says"
            } catch {
                digests[step] = "\(error)"
            }
        }
    }

    /// Whether the job has produced any files since it was started over.
    fileprivate var hasBegun: Bool {
        (try? FileManager.default.contentsOfDirectory(atPath: job.runDirectory).isEmpty) == false
    }

    fileprivate func killPoint(ofKilled pid: pid_t) throws -> KillPoint {
        let models = try FileManager.default.contentsOfDirectory(atPath: modelFolder)
        if models.contains(where: { $0.hasPrefix(".\(job.generation).\(pid)-") }) { return .publishing }
        let names = try FileManager.default.contentsOfDirectory(atPath: job.runDirectory)
        guard let name = names.first(where: { $0.hasPrefix(".\(TinyJob.prefix)") && $0.contains(".\(pid)-") }) else {
            return .elsewhere
        }
        // Written and deleted checkpoints have the same temporary name; an old one is deleted only after
        // a newer one exists.
        let step = Int(name.dropFirst(TinyJob.prefix.count + 1).prefix { $0 != "." }) ?? 0
        return step > (try checkpoints().keys.max() ?? 0) ? .checkpoint : .removal
    }
}
