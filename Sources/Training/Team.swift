import Distribution
import Kernels

/// The ranks that train a model together, and the logical workers that each of them computes.
///
/// The samples of a step are divided among the logical workers, whose number is part of the job. Their gradients are summed
/// in an order that does not depend on which rank computes them, so that any number of ranks produces the same model.
public final class Team {
    public let communicator: any Communicator
    /// Seconds spent in exchanges since the last call of `takeTimes`, including the time in which other ranks were slower.
    private var seconds = 0.0
    /// Bytes sent in that time.
    private var bytesSent = 0
    /// Seconds in which each rank computed gradients in that time.
    private(set) var computing: [Double] = []
    private var lastCommand = ContinuousClock.now
    private var isDismissed = false
    /// How long an exchange may make no progress. Ranks wait for each other while they compute a step, so this grows with
    /// its duration.
    var silenceSeconds = Team.silenceSeconds

    /// How long a rank may be silent in addition to the time it needs for computing.
    static let silenceSeconds = 60.0
    /// How long rank 0 may give no command. It gives one at least every 15 seconds, except while it writes a checkpoint.
    static let commandSeconds = 180.0

    public init(_ communicator: any Communicator = SingleProcess()) {
        self.communicator = communicator
        computing = [Double](repeating: 0, count: communicator.size)
    }

    public var rank: Int { communicator.rank }
    public var ranks: Int { communicator.size }
    var isAlone: Bool { ranks == 1 }

    /// Returns the logical workers of a rank.
    /// - Parameter count: number of all logical workers, at least one for each rank
    static func workers(ofRank rank: Int, of ranks: Int, count: Int) -> Range<Int> {
        rank * count / ranks..<(rank + 1) * count / ranks
    }

    func workers(ofRank rank: Int, count: Int) -> Range<Int> { Team.workers(ofRank: rank, of: ranks, count: count) }

    /// Accounts for the communication in `body`.
    private func timed<Result>(
        sending bytes: Int, _ body: () throws(CommunicationError) -> Result
    ) throws(CommunicationError) -> Result {
        let start = ContinuousClock.now
        defer { seconds += start.duration(to: .now) / .seconds(1) }
        bytesSent += bytes
        return try body()
    }

    /// The time that ranks spent, and what they sent.
    struct Times {
        /// Seconds in exchanges, including the time in which other ranks were slower.
        var seconds: Double
        var bytesSent: Int
        /// Seconds in which each rank computed gradients; empty for none.
        var computing: [Double]

        static let zero = Times(seconds: 0, bytesSent: 0, computing: [])

        static func += (times: inout Times, other: Times) {
            times.seconds += other.seconds
            times.bytesSent += other.bytesSent
            if times.computing.isEmpty {
                times.computing = other.computing
            } else {
                for rank in other.computing.indices { times.computing[rank] += other.computing[rank] }
            }
        }
    }

    /// Returns the times since the last call.
    func takeTimes() -> Times {
        defer {
            (seconds, bytesSent) = (0, 0)
            computing = [Double](repeating: 0, count: ranks)
        }
        return Times(seconds: seconds, bytesSent: bytesSent, computing: computing)
    }

    /// Exchanges how long each rank has computed gradients.
    func shareComputing(_ seconds: Double) throws(CommunicationError) {
        var all = [Double](repeating: seconds, count: ranks)
        try gather(&all, (0..<ranks).map { [$0..<$0 + 1] })
        for rank in all.indices { computing[rank] += all[rank] }
    }

    func exchange(_ messages: [Message]) throws(CommunicationError) {
        let sent = messages.reduce(0) { if case .sent = $1.content { $0 + $1.byteCount } else { $0 } }
        try timed(sending: sent) { () throws(CommunicationError) in
            try communicator.exchange(messages, silenceSeconds: silenceSeconds)
        }
    }

    /// Exchanges values so that each rank has those of all.
    /// - Parameter ranges: for each rank, the ranges of `values` that it provides
    func gather<Value: BitwiseCopyable>(
        _ values: UnsafeMutableBufferPointer<Value>, _ ranges: [[Range<Int>]]
    ) throws(CommunicationError) {
        if isAlone { return }
        let sent = ranges[rank].reduce(0) { $0 + $1.count } * MemoryLayout<Value>.stride * (ranks - 1)
        try timed(sending: sent) { () throws(CommunicationError) in
            try communicator.gather(values, ranges, silenceSeconds: silenceSeconds)
        }
    }

    /// Exchanges one value for each logical worker.
    func gather<Value: BitwiseCopyable>(_ values: inout [Value], workers: Int) throws(CommunicationError) {
        if isAlone { return }
        try gather(&values, (0..<ranks).map { [self.workers(ofRank: $0, count: workers)] })
    }

    /// Exchanges the elements of an array so that each rank has those of all.
    func gather<Value: BitwiseCopyable>(
        _ values: inout [Value], _ ranges: [[Range<Int>]]
    ) throws(CommunicationError) {
        var failure: CommunicationError?
        values.withUnsafeMutableBufferPointer { values in
            do throws(CommunicationError) { try gather(values, ranges) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

// MARK: - Commands

extension Team {
    /// What rank 0 tells the others to do next.
    enum Command: Equatable {
        /// Rank 0 is at work.
        case wait
        /// Receives an assignment, and continues with `proceed` or ends with `leave`.
        case prepare
        case proceed
        case step(Int, learningRate: Double)
        /// Runs all work of the first step without an effect.
        case rehearse
        /// Sends the moments to rank 0.
        case sendMoments
        /// The run is over, or continues later.
        case leave

        /// Four words: kind, step, bits of the learning rate, 0.
        var words: [UInt64] {
            switch self {
            case .wait: [1, 0, 0, 0]
            case .prepare: [2, 0, 0, 0]
            case .step(let step, let learningRate): [3, UInt64(step), learningRate.bitPattern, 0]
            case .rehearse: [4, 0, 0, 0]
            case .sendMoments: [5, 0, 0, 0]
            case .leave: [6, 0, 0, 0]
            case .proceed: [7, 0, 0, 0]
            }
        }

        init?(words: [UInt64]) {
            switch words[0] {
            case 1: self = .wait
            case 2: self = .prepare
            case 3:
                guard words[1] < UInt64(UInt32.max) else { return nil }
                self = .step(Int(words[1]), learningRate: Double(bitPattern: words[2]))
            case 4: self = .rehearse
            case 5: self = .sendMoments
            case 6: self = .leave
            case 7: self = .proceed
            default: return nil
            }
        }
    }

    /// Tells the other ranks what to do next. Only rank 0 does.
    func command(_ command: Command) throws(CommunicationError) {
        guard !isAlone else { return }
        lastCommand = .now
        var words = command.words
        try broadcast(&words)
    }

    /// Makes the other ranks leave, if they have not been told to.
    public func dismiss() throws(CommunicationError) {
        guard !isDismissed else { return }
        isDismissed = true
        try command(.leave)
    }

    /// Receives the next command but `wait`.
    func nextCommand() throws(CommunicationError) -> Command {
        while true {
            var words = [UInt64](repeating: 0, count: 4)
            try broadcast(&words)
            guard let command = Command(words: words) else {
                throw .malformed(rank: 0, reason: "an unknown command: \(words)")
            }
            if command != .wait { return command }
        }
    }

    /// Tells the other ranks that rank 0 is still at work if it has not told them anything for a while.
    func keepWaiting() throws(CommunicationError) {
        guard !isAlone, !isDismissed, lastCommand.duration(to: .now) > .seconds(Team.silenceSeconds / 6) else { return }
        try command(.wait)
    }

    private func broadcast(_ words: inout [UInt64]) throws(CommunicationError) {
        var failure: CommunicationError?
        words.withUnsafeMutableBytes { bytes in
            do throws(CommunicationError) {
                try communicator.broadcast(bytes, silenceSeconds: max(silenceSeconds, Team.commandSeconds))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
