import Datasets
import Distribution
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Kernels
import Models

/// A rank other than 0: computes its part of each step as rank 0 tells it to.
///
/// It reads no file but the training shard, and that only if it is the one of rank 0, so it needs no shared file system.
/// It writes nothing.
public final class Follower {
    private let team: Team
    private let introduction: RankIntroduction
    private let memoryLimit: Int?
    private let note: (String) -> Void

    /// - Parameters:
    ///   - memoryLimit: memory this process may use, in bytes; nil uses the limits of the machine
    ///   - note: receives messages for the user, one line each
    public init(
        team: Team, introduction: RankIntroduction, memoryLimit: Int? = nil, note: @escaping (String) -> Void = { _ in }
    ) {
        self.team = team
        self.introduction = introduction
        self.memoryLimit = memoryLimit
        self.note = note
    }

    /// Works until rank 0 leaves.
    public func run() throws(TrainingError) {
        do {
            try work()
        } catch {
            throw TrainingError(error)
        }
    }

    private func work() throws {
        try send(introduction)
        var part: Part?
        while true {
            let command = try team.nextCommand()
            switch (command, part) {
            case (.leave, _): return
            case (.prepare, _):
                part = try prepare()
                if part == nil { return }
            case (.rehearse, let part?): try part.trainStep.rehearse(part.batch(step: 0))
            case (.step(let step, let learningRate), let part?):
                _ = try part.trainStep.learn(part.batch(step: step), step: step, learningRate: learningRate)
            case (.sendMoments, let part?): try part.trainStep.exchangeMoments(toRank0: true)
            case (.wait, _), (.proceed, _), (_, nil):
                throw CommunicationError.malformed(rank: 0, reason: "a command out of order: \(command)")
            }
        }
    }

    /// The state of this rank's part.
    private final class Part {
        let trainStep: TrainStep
        private var batcher: Batcher

        init(trainStep: TrainStep, batcher: Batcher) {
            self.trainStep = trainStep
            self.batcher = batcher
        }

        func batch(step: Int) -> Batch { batcher.batch(step: step) }
    }

    private func send(_ message: some Encodable) throws {
        try team.communicator.send(
            Array(JobCoding.encode(message)), to: [0], silenceSeconds: team.silenceSeconds)
    }

    private func receive(atMost most: Int) throws -> Data {
        Data(try team.communicator.receive(from: 0, atMost: most, silenceSeconds: team.silenceSeconds))
    }

    // MARK: - Preparation

    /// Receives the assignment and the state; nil if rank 0 leaves because a rank cannot take part.
    private func prepare() throws -> Part? {
        let json = try receive(atMost: Assignment.mostBytes)
        let assignment = try JobCoding.decode(Assignment.self, from: receive(atMost: Assignment.mostBytes))
        var (job, plan, shard): (Job?, MicrobatchPlan?, TokenShard?)
        try answer {
            job = try Job.decode(json)
            plan = try self.plan(assignment, job!)
            shard = shared(assignment)
            return AssignmentReply(needsShard: shard == nil)
        }
        guard try team.nextCommand() == .proceed, let job, let plan else { return nil }
        if shard == nil {
            try answer {
                shard = try receiveShard(assignment)
                return AssignmentReply()
            }
        }
        guard try team.nextCommand() == .proceed, let shard else { return nil }
        let configuration = try configuration(assignment, job)
        let part = Part(
            trainStep: TrainStep(
                model: RobertaModel(
                    configuration: configuration, parameters: Parameters(layout: ParameterLayout(configuration))),
                recipe: job.recipe, plan: plan, precision: assignment.precision, team: team),
            batcher: Batcher(
                shard: shard, objective: job.objective, batchSize: job.recipe.samplesPerStep, recipe: job.recipe,
                tokenizerVocabulary: assignment.vocabulary, markers: assignment.markers, replay: assignment.replay))
        team.expect(secondsPerStep: assignment.secondsPerStep)
        try part.trainStep.receiveState(updates: assignment.updates)
        return part
    }

    /// Sends the reply that `body` returns, or the error that it throws. A failed communication is no reply.
    private func answer(_ body: () throws -> AssignmentReply) throws {
        let reply: AssignmentReply
        do {
            reply = try body()
        } catch let error as CommunicationError {
            throw error
        } catch {
            let reason = "\(TrainingError(error))"
            note(reason)
            reply = AssignmentReply(failureReason: reason)
        }
        try send(reply)
    }

    private func configuration(_ assignment: Assignment, _ job: Job) throws -> RobertaConfiguration {
        try RobertaConfiguration(job.architecture, rows: assignment.rows, objective: job.objective)
    }

    /// Returns the plan of rank 0 if this process has the memory for it.
    private func plan(_ assignment: Assignment, _ job: Job) throws -> MicrobatchPlan {
        guard assignment.precision == .float32 || Precision.hasBFloat16 else {
            throw TrainingError.noBFloat16(run: job.run)
        }
        let plan = MicrobatchPlan(
            configuration: try configuration(assignment, job), recipe: job.recipe,
            longestRow: assignment.longestRow, maximumTokens: assignment.maximumTokens, ranks: team.ranks)
        let limit = MemoryLimit.current(given: memoryLimit)
            .share(ofRanks: max(1, assignment.hosts.count { $0 == introduction.host }))
        let needed = MemoryLimit.resident() + plan.bytes
        guard needed <= limit.bytes else {
            throw TrainingError.tooLittleMemory(needed: needed, limit: limit.bytes, source: limit.source)
        }
        return plan
    }

    /// Opens the shard of rank 0 on a shared file system; nil if this rank does not have it.
    private func shared(_ assignment: Assignment) -> TokenShard? {
        let shard = assignment.shard
        guard access(shard.path, R_OK) == 0 else { return nil }
        do {
            let opened = try open(shard.path, assignment)
            if opened.totals.checksum == shard.checksum { return opened }
            note("\(shard.path) is not the file of rank 0, which sends its own: the checksum differs")
        } catch {
            note("\(shard.path) is not the file of rank 0, which sends its own: \(error)")
        }
        return nil
    }

    private func open(_ path: String, _ assignment: Assignment) throws -> TokenShard {
        try TokenShard(
            path: path, key: assignment.shard.key, vocabularySize: assignment.vocabulary,
            longestRow: assignment.longestRow)
    }

    /// Receives the training shard into a file without a name.
    private func receiveShard(_ assignment: Assignment) throws -> TokenShard {
        var template = Array(
            FileManager.default.temporaryDirectory.appending(path: "kantaibert-XXXXXX").path.utf8CString)
        let descriptor = mkstemp(&template)
        let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard descriptor >= 0 else {
            // Rank 0 sends the shard in any case.
            let cause = errno
            try forEachPart(of: assignment.shard.bytes) { _ in }
            throw DurableError(operation: "mkstemp", path: path, errno: cause)
        }
        defer { close(descriptor) }
        unlink(path)
        var cause: Int32 = 0
        try forEachPart(of: assignment.shard.bytes) { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while cause == 0, !rest.isEmpty {
                let written = write(descriptor, rest.baseAddress, rest.count)
                if written < 0 {
                    if errno != EINTR { cause = errno }
                } else {
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
                }
            }
        }
        if cause != 0 { throw DurableError(operation: "write", path: path, errno: cause) }
        return try open("/proc/self/fd/\(descriptor)", assignment)
    }

    private func forEachPart(of count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Assignment.shardPart, alignment: 64)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: count, by: Assignment.shardPart) {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<min(Assignment.shardPart, count - start)])
            try team.exchange([.receive(part, from: 0)])
            body(part)
        }
    }
}
