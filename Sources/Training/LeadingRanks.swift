import Datasets
import Distribution
import FoundationEssentials
import Jobs
import Models

/// What rank 0 does for the others.
extension Trainer {
    /// Receives the introductions of the other ranks and compares them with this one.
    /// - Throws: `TrainingError.ranks` if they cannot train together
    func meetRanks() throws {
        guard !team.isAlone, let own = introduction else { return }
        var all = [own]
        var problems: [String] = []
        var doubts: [String] = []
        for rank in team.communicator.others {
            let json = try team.communicator.receive(
                from: rank, atMost: RankIntroduction.mostBytes, silenceSeconds: team.silenceSeconds)
            let other: RankIntroduction
            do {
                other = try JobCoding.decode(RankIntroduction.self, from: Data(json))
            } catch {
                throw TrainingError.ranks("rank \(rank) does not run this version of the program: \(error)")
            }
            all.append(other)
            if let difference = other.difference(from: own) {
                problems.append("rank \(rank) on \(other.host) \(difference)")
            } else if let doubt = other.doubt(besides: own) {
                doubts.append("rank \(rank) on \(other.host) \(doubt)")
            }
        }
        if !problems.isEmpty { throw TrainingError.ranks(problems.joined(separator: "; ")) }
        guard team.ranks <= job.recipe.logicalWorkers else {
            throw TrainingError.ranks(
                "\(team.ranks) ranks cannot share \(job.recipe.logicalWorkers) logical workers: start at most as many, or "
                    + "set ‘recipe.logical_workers’ of a new run to at least \(team.ranks)")
        }
        hosts = all.map(\.host)
        let names = Set(hosts).sorted()
        report(
            .ranksJoined(
                .init(
                    ranks: team.ranks,
                    hosts: names.map { name in .init(name: name, ranks: hosts.count { $0 == name }) },
                    library: team.communicator.library, doubts: doubts)))
    }

    /// Reports the communication of the steps since the last report.
    /// - Parameters:
    ///   - seconds: duration of these steps
    ///   - times: the time that they took in each rank
    func reportCommunication(step: Int, steps: Int, seconds: Double, _ times: Team.Times) {
        guard !team.isAlone, steps > 0 else { return }
        let count = Double(steps)
        let slowest = times.computing.indices.max { times.computing[$0] < times.computing[$1] }!
        report(
            .communication(
                .init(
                    step: step, steps: steps, secondsPerStep: seconds / count,
                    communicationSeconds: times.seconds / count, bytesPerStep: times.bytesSent / steps,
                    slowestRank: slowest, slowestHost: hosts.indices.contains(slowest) ? hosts[slowest] : "",
                    slowestSeconds: times.computing[slowest] / count,
                    fastestSeconds: times.computing.min()! / count)))
    }

    /// Gives the other ranks what they need for their part of the run, with the state that it starts or continues with.
    /// - Throws: `TrainingError.ranks` if one of them cannot take part
    func prepareRanks(_ assignment: Assignment, _ trainStep: TrainStep, _ shard: TokenShard) throws {
        guard !team.isAlone else { return }
        let others = team.communicator.others
        team.expect(secondsPerStep: assignment.secondsPerStep)
        try team.command(.prepare)
        for message in [try JobCoding.encode(job), try JobCoding.encode(assignment)] {
            try team.communicator.send(Array(message), to: others, silenceSeconds: team.silenceSeconds)
        }
        let replies = try others.map { ($0, try reply(from: $0)) }
        try require(replies)
        try team.command(.proceed)
        let needing = replies.filter(\.1.needsShard).map(\.0)
        if !needing.isEmpty {
            try send(shard, to: needing)
            try require(needing.map { ($0, try reply(from: $0)) })
        }
        try team.command(.proceed)
        try trainStep.sendState()
    }

    private func reply(from rank: Int) throws -> AssignmentReply {
        let json = try team.communicator.receive(
            from: rank, atMost: AssignmentReply.mostBytes, silenceSeconds: team.silenceSeconds)
        return try JobCoding.decode(AssignmentReply.self, from: Data(json))
    }

    private func require(_ replies: [(Int, AssignmentReply)]) throws {
        let problems = replies.compactMap { rank, reply in reply.failureReason.map { "rank \(rank): \($0)" } }
        if !problems.isEmpty { throw TrainingError.ranks(problems.joined(separator: "; ")) }
    }

    private func send(_ shard: TokenShard, to ranks: [Int]) throws {
        let file = shard.file
        note("sending the training text, \(file.count) bytes of tokens, to \(ranks.count) ranks")
        for start in stride(from: 0, to: file.count, by: Assignment.shardPart) {
            let part = UnsafeRawBufferPointer(rebasing: file[start..<min(start + Assignment.shardPart, file.count)])
            try team.exchange(ranks.map { .send(part, to: $0) })
        }
        withExtendedLifetime(shard) {}
    }
}

extension Team {
    /// Sets how long an exchange may make no progress.
    func expect(secondsPerStep: Double) {
        silenceSeconds = Team.silenceSeconds + 20 * max(0, min(secondsPerStep, 3600))
    }
}

/// The state that ranks exchange before the first step and for checkpoints.
extension TrainStep {
    /// Sends the parameters to the other ranks, and to each the moments that it updates.
    func sendState() throws(CommunicationError) {
        try team.communicator.broadcast(
            UnsafeMutableRawBufferPointer(model.parameters.values), silenceSeconds: team.silenceSeconds)
        if optimizer.updates > 0 { try exchangeMoments(toRank0: false) }
    }

    /// Receives what `sendState` sends.
    func receiveState(updates: Int) throws(CommunicationError) {
        try team.communicator.broadcast(
            UnsafeMutableRawBufferPointer(model.parameters.values), silenceSeconds: team.silenceSeconds)
        optimizer.updates = updates
        if updates > 0 { try exchangeMoments(toRank0: false) }
    }

    /// Exchanges moments between rank 0, which has all of them, and the ranks that update them. All ranks call it.
    func exchangeMoments(toRank0: Bool) throws(CommunicationError) {
        let division = optimizer.division
        var messages: [Message] = []
        for rank in team.rank == 0 ? team.communicator.others : [team.rank] {
            let peer = team.rank == 0 ? rank : 0
            let parts =
                division.ranges(ofRank: rank).map(optimizer.firstMoment.bytes)
                + division.ranges(ofRank: rank) { if case .adamW = $0 { true } else { false } }
                .map(optimizer.secondMoment.bytes)
            let isSending = toRank0 == (team.rank != 0)
            messages += parts.map { isSending ? .send(UnsafeRawBufferPointer($0), to: peer) : .receive($0, from: peer) }
        }
        try team.exchange(messages)
    }
}
