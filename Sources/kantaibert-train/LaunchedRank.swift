import ArgumentParser
import Dispatch
import Distribution
import FoundationEssentials
import Glibc
import Parallel
import Training

/// This process as one of several that an MPI launcher started.
struct LaunchedRank {
    let team: Team
    let introduction: RankIntroduction

    /// Returns how a launcher started this process, or nil if none did.
    static func environment() throws -> LaunchEnvironment? {
        try Self.withExitCode { () throws(CommunicationError) in
            try LaunchEnvironment(ProcessInfo.processInfo.environment)
        }
    }

    /// Loads the plugin and joins the other ranks.
    /// - Parameter jobPath: the job file on the command line
    init(_ launch: LaunchEnvironment, jobPath: String) throws {
        if let processes = launch.sizeOnHost { ThreadPool.shareCores(processes: processes) }
        team = try Self.withExitCode { () throws(CommunicationError) in
            Team(try MPIPlugin(launch, folder: Self.programFolder()))
        }
        introduction = try RankIntroduction(jobPath: jobPath)
    }

    var isFirst: Bool { team.rank == 0 }

    /// Runs the work of rank 0.
    func lead(_ work: () throws -> Void) throws {
        do {
            try work()
        } catch {
            if (error as? ExitCode)?.rawValue == EX_UNAVAILABLE { team.communicator.abort(status: EX_UNAVAILABLE) }
            // The job may be unreadable.
            try? team.dismiss()
            end(status: (error as? ExitCode)?.rawValue ?? EXIT_FAILURE)
            throw error
        }
        end(status: EXIT_SUCCESS)
    }

    /// Ends MPI when all work is done. Some versions of MPICH with UCX do not always return from that: the process then
    /// exits without it.
    private func end(status: Int32) {
        waitForAll()
        DispatchQueue.global().asyncAfter(deadline: .now() + LaunchedRank.secondsToEnd) {
            say("MPI did not end within \(Int(LaunchedRank.secondsToEnd)) s; exiting without it")
            _exit(status)
        }
        team.communicator.end()
    }

    private static let secondsToEnd = 10.0
    /// How long to wait for the others: rank 0 may still be publishing when they have nothing left to do.
    private var secondsToWait: Double { isFirst ? 60 : 86_400 }

    /// Returns when all ranks are here. A rank that ends MPI before the others would wait for them in it, without a limit.
    private func waitForAll() {
        let peers = isFirst ? Array(1..<team.communicator.size) : [0]
        var sent: [UInt8] = [0]
        var received = [UInt8](repeating: 0, count: peers.count)
        sent.withUnsafeMutableBytes { sent in
            received.withUnsafeMutableBytes { received in
                let messages = peers.enumerated().flatMap { index, peer in
                    [
                        Message.send(UnsafeRawBufferPointer(sent), to: peer),
                        .receive(UnsafeMutableRawBufferPointer(rebasing: received[index...index]), from: peer),
                    ]
                }
                // If another rank has failed, its launcher ends this one.
                try? team.communicator.exchange(messages, silenceSeconds: secondsToWait)
            }
        }
    }

    /// Runs the work of another rank. Rank 0 decides when it ends, and its exit status is the run's.
    func follow(memoryLimit: Int?) throws {
        signal(SIGTERM, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        let label = "rank \(team.rank) on \(introduction.host)"
        let follower = Follower(team: team, introduction: introduction, memoryLimit: memoryLimit) { message in
            say("\(label): \(message)")
        }
        do throws(TrainingError) {
            try follower.run()
        } catch {
            say("\(label): \(error)")
            team.communicator.abort(status: error.exitCode.rawValue)
            throw error.exitCode
        }
        end(status: EXIT_SUCCESS)
    }

    /// Reports an error that other runs of the same command would meet again.
    private static func withExitCode<Value>(
        _ body: () throws(CommunicationError) -> Value
    ) throws -> Value {
        do throws(CommunicationError) {
            return try body()
        } catch {
            say("\(error)")
            throw ExitCode(EX_CONFIG)
        }
    }

    private static func programFolder() throws(CommunicationError) -> String {
        var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count)
        guard count > 0, let slash = path[..<count].lastIndex(of: UInt8(ascii: "/")) else {
            throw .failed(rank: 0, reason: "readlink /proc/self/exe: \(String(cString: strerror(errno)))")
        }
        return String(decoding: path[..<slash], as: UTF8.self)
    }
}
