import Distribution
import Jobs
import Kernels
import Models

/// Sums the gradients of the logical workers, those of this rank and of the others, in an order that does not depend on the
/// number of ranks.
final class GradientSum {
    private let team: Team
    private let workers: Int
    private let division: UpdateUnits
    /// Memory for the gradients of single workers; the first one is also that of the sum.
    private let buffers: [Parameters]
    /// The subtrees of the sum that each rank computes.
    private let subtrees: [[PairwiseSum<Void>.Node]]
    /// Elements that each rank updates.
    private let ranges: [[Range<Int>]]
    /// Elements that this rank updates, received from the others: one block for each of their subtrees, in the order of the
    /// workers.
    private let received: Arena?
    private let blocks: UnsafeMutablePointer<Float>?

    /// - Parameter gradients: receives the sum
    init(team: Team, workers: Int, division: UpdateUnits, gradients: Parameters) {
        checked(team.ranks <= workers && division.ranks == team.ranks)
        self.team = team
        self.workers = workers
        self.division = division
        let subtrees = GradientSum.subtrees(ranks: team.ranks, workers: workers)
        self.subtrees = subtrees
        let most = PairwiseSum.mostValues(ofWorkers: team.workers(ofRank: team.rank, count: workers))
        buffers = [gradients] + (1..<max(most, 1)).map { _ in Parameters(layout: gradients.layout) }
        ranges = (0..<team.ranks).map { division.ranges(ofRank: $0) }
        let own = ranges[team.rank].reduce(0) { $0 + $1.count }
        let count = own * (subtrees.reduce(0) { $0 + $1.count } - subtrees[team.rank].count)
        received = count > 0 ? Arena(bytes: count * MemoryLayout<Float>.stride + Arena.alignment) : nil
        blocks = received?.take(Float.self, count)
    }

    private static func subtrees(ranks: Int, workers: Int) -> [[PairwiseSum<Void>.Node]] {
        (0..<ranks).map { PairwiseSum.subtrees(ofWorkers: Team.workers(ofRank: $0, of: ranks, count: workers)) }
    }

    /// Returns the most bytes that a rank needs in addition to the sum itself.
    static func bytes(_ layout: ParameterLayout, workers: Int, ranks: Int) -> Int {
        let subtrees = subtrees(ranks: ranks, workers: workers)
        let values = (0..<ranks).map {
            PairwiseSum.mostValues(ofWorkers: Team.workers(ofRank: $0, of: ranks, count: workers))
        }
        let received = (subtrees.reduce(0) { $0 + $1.count } - 1) * layout.storageCount / ranks
        return 4 * ((values.max()! - 1) * layout.storageCount + (ranks > 1 ? received : 0))
    }

    /// Computes the gradients of this rank's workers and sums them with those of the others.
    ///
    /// On return, `gradients` has the sum for the elements that this rank updates, and `losses` the sums of all workers.
    /// - Parameter compute: adds the gradients of a worker to zeros
    /// - Returns: the sums of the losses of all workers
    func run(
        compute: (_ worker: Int, _ gradients: Parameters) -> LossAccumulator
    ) throws(CommunicationError) -> LossAccumulator {
        var losses = [LossAccumulator](repeating: LossAccumulator(), count: workers)
        var free = Array(buffers.indices.reversed())
        let count = buffers[0].values.count
        var sum = PairwiseSum<Int> { [buffers] left, right in
            add(buffers[right].values.baseAddress!, to: buffers[left].values.baseAddress!, count: count)
            free.append(right)
            return left
        }
        let start = ContinuousClock.now
        for worker in team.workers(ofRank: team.rank, count: workers) {
            let buffer = free.removeLast()
            buffers[buffer].setToZero()
            losses[worker] = compute(worker, buffers[buffer])
            sum.append(buffer, worker: worker)
        }
        if team.isAlone {
            let total = sum.total()
            checked(total == 0)
        } else {
            try team.shareComputing(start.duration(to: .now) / .seconds(1))
            try team.gather(&losses, workers: workers)
            try sumOfAll(sum.nodes.map { buffers[$0.value] })
        }
        return losses.reduce(into: LossAccumulator()) { $0 += $1 }
    }

    /// Adds the subtrees of all ranks for the elements that this rank updates.
    /// - Parameter own: the values of this rank's subtrees
    private func sumOfAll(_ own: [Parameters]) throws(CommunicationError) {
        let rank = team.rank
        let mine = ranges[rank]
        var messages: [Message] = []
        for peer in team.communicator.others {
            for subtree in own {
                messages += ranges[peer].map { .send(UnsafeRawBufferPointer(subtree.bytes($0)), to: peer) }
            }
        }
        // The start of each subtree's block, relative to the first element of the rank; nil for the rank's own.
        var starts: [(peer: Int, start: UnsafeMutablePointer<Float>?, own: Int)] = []
        var next = blocks
        for (peer, nodes) in subtrees.enumerated() {
            for index in nodes.indices {
                guard peer != rank else {
                    starts.append((peer, nil, index))
                    continue
                }
                starts.append((peer, next, 0))
                for range in mine {
                    messages.append(
                        .receive(
                            UnsafeMutableRawBufferPointer(
                                start: next, count: range.count * MemoryLayout<Float>.stride), from: peer))
                    next = next.map { $0 + range.count }
                }
            }
        }
        try team.exchange(messages)
        var offset = 0
        for range in mine {
            var sum = PairwiseSum<UnsafeMutablePointer<Float>> { left, right in
                add(right, to: left, count: range.count)
                return left
            }
            for (node, start) in zip(subtrees.joined(), starts) {
                let value =
                    start.start.map { $0 + offset }
                    ?? own[start.own].values.baseAddress! + range.lowerBound
                sum.append(.init(level: node.level, index: node.index, value: value))
            }
            let target = buffers[0].values.baseAddress! + range.lowerBound
            if let total = sum.total(), total != target { target.update(from: total, count: range.count) }
            offset += range.count
        }
    }

    /// Returns the squared norm of the whole sum: the sum over the units in their order, whichever rank has them.
    func squaredNorm() throws(CommunicationError) -> Double {
        let sum = buffers[0].values.baseAddress!
        var norms = zip(division.units, division.owners).map { unit, owner in
            owner == team.rank ? Kernels.squaredNorm(sum + unit.range.lowerBound, count: unit.range.count) : 0
        }
        let owned = (0..<team.ranks).map { rank in
            division.owners.indices.filter { division.owners[$0] == rank }.map { $0..<$0 + 1 }
        }
        try team.gather(&norms, owned.map(Self.joined))
        return norms.reduce(0, +)
    }

    private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
        ranges.reduce(into: []) { joined, range in
            if let last = joined.last, last.upperBound == range.lowerBound {
                joined[joined.count - 1] = last.lowerBound..<range.upperBound
            } else {
                joined.append(range)
            }
        }
    }

    /// Sends the parameters that this rank has updated to the others, and receives theirs.
    func share(_ parameters: Parameters) throws(CommunicationError) {
        try team.gather(parameters.values, ranges)
    }
}

extension Parameters {
    /// The bytes of a range of elements.
    func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[range]))
    }
}
