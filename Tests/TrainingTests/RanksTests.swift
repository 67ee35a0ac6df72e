import Datasets
import Distribution
import Foundation
import Glibc
import Jobs
import Kernels
import Models
import Synchronization
import TestSupport
import Testing
import Training

private func introduction(host: String = "a", job: String? = nil, version: String = "1") -> RankIntroduction {
    RankIntroduction(version: version, program: "p", host: host, threads: 1, processor: .current, job: job)
}

/// Values that several threads add to.
private final class Log<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func add(_ value: Value) { values.withLock { $0.append(value) } }
    var all: [Value] { values.withLock { $0 } }
}

/// Runs a job with several ranks, each on a thread of its own, and returns the outcome of rank 0.
private func run(
    _ job: Job, ranks: Int, introductions: @escaping @Sendable (Int) -> RankIntroduction = { _ in introduction() },
    followerMemoryLimit: Int? = nil, log: Log<String> = Log(),
    onEvent: @escaping @Sendable (RunEvent.Payload, RunControl) -> Void = { _, _ in }
) async throws -> Trainer.Outcome {
    let outcomes = try await onRanks(ranks) { communicator -> Trainer.Outcome? in
        let team = Team(communicator)
        let introduction = introductions(communicator.rank)
        guard communicator.rank == 0 else {
            try Follower(team: team, introduction: introduction, memoryLimit: followerMemoryLimit, note: log.add).run()
            return nil
        }
        let control = RunControl()
        let trainer = Trainer(
            job: job, control: control, team: team, introduction: introduction,
            report: { onEvent($0, control) }, note: log.add)
        return try trainer.run()
    }
    return try #require(outcomes[0])
}

private func ranksRun(_ objective: Objective, workers: Int = 4, precision: PrecisionSetting = .float32) throws
    -> TrainingRun
{
    let run = try TrainingRun(objective)
    run.job.recipe.logicalWorkers = workers
    run.job.recipe.precision = precision
    run.job.recipe.maxSteps = 12
    // Of two and a half steps.
    run.job.recipe.loadBestModelAtEnd = true
    return run
}

@Suite(.serialized, .timeLimit(.minutes(20)))
struct RanksTests {
    @Test("Any number of ranks publishes the same model", arguments: Objective.allCases)
    func sameBytes(objective: Objective) async throws {
        let tiny = try ranksRun(objective)
        let alone = try #require(try tiny.run().sha256)
        for ranks in [2, 3, 4] {
            try tiny.startOver()
            let outcome = try await run(tiny.job, ranks: ranks)
            #expect(outcome.sha256 == alone, "\(ranks) ranks")
        }
    }

    @Test("An optimizer without Muon, cut rows and five workers on two ranks give the same bytes")
    func otherRecipes() async throws {
        let tiny = try ranksRun(.mlm, workers: 5)
        tiny.job.recipe.optimizer = .adamw
        tiny.job.recipe.cutProbability = 0.5
        tiny.job.recipe.gradientAccumulationSteps = 2
        tiny.job.recipe.maxSteps = 5
        let alone = try #require(try tiny.run().sha256)
        for ranks in [2, 5] {
            try tiny.startOver()
            #expect(try await run(tiny.job, ranks: ranks).sha256 == alone)
        }
    }

    @Test("A run that is interrupted resumes with another number of ranks to the same model")
    func resumesWithOtherRanks() async throws {
        let tiny = try ranksRun(.clm)
        let alone = try #require(try tiny.run().sha256)
        try tiny.startOver()
        var numbers = [4, 1, 2, 3].makeIterator()
        var resumed: [Int] = []
        var outcome: Trainer.Outcome
        repeat {
            let ranks = numbers.next() ?? 2
            outcome = try await run(
                tiny.job, ranks: ranks,
                onEvent: { event, control in
                    // Three steps with each number of ranks.
                    if case .step(let step) = event, step.step % 3 == 0 { control.leave() }
                })
            if let step = outcome.interruptedStep { resumed.append(step) }
        } while outcome.sha256 == nil
        #expect(resumed == [3, 6, 9])
        #expect(outcome.sha256 == alone)
    }

    @Test("A rank that ends in a step ends the others, and the run resumes from its checkpoint")
    func rankDies() async throws {
        let tiny = try ranksRun(.clm)
        tiny.job.recipe.saveSteps = 2
        let alone = try #require(try tiny.run().sha256)
        try tiny.startOver()
        let job = tiny.job
        await #expect(throws: (any Error).self) {
            try await onRanks(3) { communicator in
                let team = Team(communicator)
                guard communicator.rank == 0 else {
                    try Follower(team: team, introduction: introduction()).run()
                    return
                }
                let trainer = Trainer(
                    job: job, team: team, introduction: introduction(),
                    report: { event in
                        // Closes the connections of this rank; the others find them closed.
                        if case .step(let step) = event, step.step == 5 { communicator.abort(status: 1) }
                    })
                do throws(TrainingError) {
                    _ = try trainer.run()
                } catch {
                    guard case .communication = error else { throw error }
                    throw error
                }
            }
        }
        #expect(tiny.checkpoints.contains("checkpoint-4"))
        #expect(try await run(tiny.job, ranks: 2).sha256 == alone)
    }

    @Test("Ranks that cannot train together are refused before work begins, each with its difference")
    func refusesMixedRanks() async throws {
        let tiny = try ranksRun(.clm)
        func reason(_ ranks: Int, _ introductions: @escaping @Sendable (Int) -> RankIntroduction) async -> String {
            do {
                _ = try await run(tiny.job, ranks: ranks, introductions: introductions)
                return "none"
            } catch {
                return "\(error)"
            }
        }
        let job = await reason(2) { introduction(host: $0 == 0 ? "a" : "b", job: "\($0)23") }
        #expect(job == "rank 1 on b has a job file with SHA-256 123…, rank 0 one with 023…")
        let version = await reason(3) { introduction(host: "host\($0)", version: $0 == 2 ? "0.9" : "1") }
        #expect(version == "rank 2 on host2 runs version 0.9, rank 0 version 1")
        let crowd = await reason(5) { _ in introduction() }
        #expect(crowd.contains("5 ranks cannot share 4 logical workers"))
        #expect(!FileManager.default.fileExists(atPath: "\(tiny.job.runDirectory)/tokenizer"))
    }

    @Test("Another CPU or build is allowed, and the ranks, their hosts and their communication are reported")
    func reportsRanks() async throws {
        let tiny = try ranksRun(.clm)
        let events = Log<RunEvent.Payload>()
        let outcome = try await run(
            tiny.job, ranks: 3,
            introductions: { rank in
                var own = introduction(host: rank == 0 ? "a" : "b")
                if rank == 1 { own.processor.model = ["model name": "another"] }
                if rank == 2 { own.program = "another" }
                return own
            },
            onEvent: { event, _ in events.add(event) })
        let joined = events.all.compactMap { if case .ranksJoined(let joined) = $0 { joined } else { nil } }
        #expect(
            joined == [
                .init(
                    ranks: 3, hosts: [.init(name: "a", ranks: 1), .init(name: "b", ranks: 2)], library: "sockets",
                    doubts: [
                        "rank 1 on b has another CPU than rank 0",
                        "rank 2 on b runs another build of version 1 than rank 0",
                    ])
            ])
        let communication = events.all.compactMap {
            if case .communication(let communication) = $0 { communication } else { nil }
        }
        guard case .published(let published) = outcome else {
            Issue.record("not published")
            return
        }
        #expect(communication.map(\.step) == [10, 12])
        #expect(communication.map(\.steps) == [10, 2])
        for event in communication {
            // Two thirds of the gradients, and a third of the parameters to each of two others.
            let parameters = 4 * 4 * Double(published.parameters) / 3
            #expect(abs(Double(event.bytesPerStep) - parameters) < 0.5 * parameters)
            #expect(event.communicationSeconds > 0 && event.communicationSeconds < event.secondsPerStep)
            #expect(event.slowestSeconds >= event.fastestSeconds && (0..<3).contains(event.slowestRank))
        }
    }

    @Test("A rank without memory for its part names it and ends the run before the first step")
    func refusesTooLittleMemory() async throws {
        let tiny = try ranksRun(.clm)
        do {
            _ = try await run(tiny.job, ranks: 3, followerMemoryLimit: 1000)
            Issue.record("the run was not refused")
        } catch {
            #expect("\(error)".hasPrefix("rank 1: the run needs"), "\(error)")
            #expect("\(error)".contains("rank 2: the run needs"), "\(error)")
        }
        #expect(tiny.checkpoints.isEmpty)
    }

    @Test("Ranks that do not have the text of rank 0 receive it", arguments: [false, true])
    func sendsText(isDamaged: Bool) async throws {
        let tiny = try ranksRun(.clm)
        let alone = try #require(try tiny.run().sha256)
        try tiny.startOver()
        let log = Log<String>()
        let path = "\(tiny.job.runDirectory)/shards/training.tokens"
        let outcome = try await run(
            tiny.job, ranks: 3, log: log,
            onEvent: { event, _ in
                // Rank 0 has opened the file, and the others have not.
                guard case .working(let working) = event, working.activity == "preparing" else { return }
                unlink(path)
                if isDamaged { try? Data("damaged".utf8).write(to: URL(filePath: path)) }
            })
        #expect(outcome.sha256 == alone)
        #expect(log.all.contains { $0.hasPrefix("sending the training text") && $0.hasSuffix("to 2 ranks") })
        #expect(log.all.contains { $0.contains("is not the file of rank 0") } == isDamaged)
    }
}

// MARK: - One step

private func trainStep(workers: Int, optimizer: OptimizerName = .muon, team: Team = Team()) throws -> TrainStep {
    var architecture = Preset.tiny.architecture
    (architecture.hiddenDropoutProb, architecture.attentionProbsDropoutProb) = (0, 0)
    let configuration = try RobertaConfiguration(architecture, rows: 512, objective: .clm)
    var recipe = RecipeName.default.recipe(for: .clm)
    recipe.perDeviceTrainBatchSize = 16
    recipe.optimizer = optimizer
    recipe.logicalWorkers = workers
    return TrainStep(
        model: RobertaModel.initialized(configuration: configuration, seed: 1), recipe: recipe,
        plan: MicrobatchPlan(configuration: configuration, recipe: recipe, longestRow: 12, ranks: team.ranks),
        precision: .float32, team: team)
}

private func batch(sequences: Int = 16) -> Batch {
    var batch = Batch()
    for sequence in 0..<sequences {
        let length = 2 + sequence % 10
        for place in 0..<length {
            batch.inputIDs.append(Int32((sequence * 37 + place * 11) % 500 + 5))
            if place > 0 {
                batch.scoredRows.append(batch.inputIDs.count - 2)
                batch.labels.append(batch.inputIDs[batch.inputIDs.count - 1])
            }
        }
        batch.sequenceOffsets.append(batch.inputIDs.count)
    }
    return batch
}

@Test(
    "Workers give the loss, the gradient norm and the parameters of one worker, but for rounding",
    arguments: [2, 4, 7, 64])
func workersMatchOneWorker(workers: Int) throws {
    let one = try trainStep(workers: 1, optimizer: .adamw)
    let several = try trainStep(workers: workers, optimizer: .adamw)
    for step in 0..<3 {
        let first = try one.learn(batch(), step: step, learningRate: 1e-3)
        let second = try several.learn(batch(), step: step, learningRate: 1e-3)
        #expect(abs(first.loss - second.loss) < 1e-5 * first.loss)
        #expect(abs(first.gradientNorm - second.gradientNorm) < 1e-4 * first.gradientNorm)
    }
    let firstMoments = zip(one.optimizer.firstMoment.values, several.optimizer.firstMoment.values)
    let largest = one.optimizer.firstMoment.values.map(abs).max()!
    #expect(firstMoments.allSatisfy { abs($0 - $1) < 1e-4 * largest })
}

@Test("A step of a batch with fewer sequences than workers is the same on any number of ranks")
func smallBatches() async throws {
    let alone = try trainStep(workers: 4)
    let expected = try (0..<2).map { try alone.learn(batch(sequences: 3), step: $0, learningRate: 1e-3).gradientNorm }
    let norms = try await onRanks(4) { communicator in
        let step = try trainStep(workers: 4, team: Team(communicator))
        return try (0..<2).map { try step.learn(batch(sequences: 3), step: $0, learningRate: 1e-3).gradientNorm }
    }
    #expect(norms == Array(repeating: expected, count: 4))
}

@Test("A step that is not finite is skipped by all ranks")
func notFinite() async throws {
    let reasons = try await onRanks(2) { communicator in
        let step = try trainStep(workers: 2, team: Team(communicator))
        if communicator.rank == 1 { step.model.parameters["lm_head.bias"][5] = .nan }
        return try step.learn(batch(), step: 0, learningRate: 1e-3).failureReason
    }
    #expect(reasons[0] == "the loss is nan")
    #expect(reasons[0] == reasons[1])
}

@Test("Shares are consecutive, of about the same size, and together the batch", arguments: [1, 2, 3, 16, 20])
func shares(workers: Int) {
    let whole = batch()
    let shares = whole.shares(workers)
    #expect(shares.count == workers)
    #expect(shares.flatMap(\.inputIDs) == whole.inputIDs)
    #expect(shares.flatMap(\.labels) == whole.labels)
    var start = 0
    var scored: [Int] = []
    for share in shares {
        scored += share.scoredRows.map { $0 + start }
        start += share.tokens
        #expect(share.sequenceOffsets.first == 0 && share.sequenceOffsets.last == share.tokens)
        #expect(share.sequences > 0 || workers > whole.sequences)
        #expect(share.tokens <= whole.tokens / workers + 12)
    }
    #expect(scored == whole.scoredRows)
}
