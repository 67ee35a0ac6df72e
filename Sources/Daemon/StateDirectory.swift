import Corpora
import Durable
import FoundationEssentials
import Glibc

/// The layout of the state directory: `/var/lib/kantaibert`, or the directory given with `--state-dir`.
public struct StateDirectory: Sendable, Equatable {
    public let root: String

    /// - Parameter root: resolved against the working directory, because jobs contain paths for other processes
    public init(root: String) {
        let absolute = root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
        self.root = absolute.split(separator: "/").filter { $0 != "." }.map { "/\($0)" }.joined()
    }

    public var inbox: String { "\(root)/inbox" }
    public var rejected: String { "\(root)/inbox/.rejected" }
    public var corpus: String { "\(root)/corpus" }
    public var models: String { "\(root)/models" }
    public var runs: String { "\(root)/runs" }
    /// The word counts of each corpus, for training tokenizers. Recreated if missing.
    public var wordCounts: String { "\(root)/word-counts" }
    /// The search indexes of the corpora, by SHA-256. Recreated if missing.
    public var search: String { "\(root)/search" }
    /// Measurements of the CPU; see `MachineProfile`. Recreated if missing.
    public var machine: String { "\(root)/machine.json" }
    /// The persisted state of the schedule.
    public var schedule: String { "\(root)/schedule.json" }
    /// The ends of runs that `training.notify` has not announced yet.
    public var notices: String { "\(root)/notify.json" }
    public var metrics: String { "\(root)/metrics.db" }
    public var lock: String { "\(root)/lock" }
    /// Sockets for passing open files, if the service's socket is also in the state directory.
    public var transfer: String { "\(root)/transfer" }

    /// The inbox whose corpora feed only `model`.
    public func inbox(of model: String) -> String { "\(inbox)/\(model)" }
    public func model(_ model: String) -> String { "\(models)/\(model)" }
    public func generation(_ number: Int, of model: String) -> String { "\(models)/\(model)/\(number)" }
    /// The symbolic link to the generation that serves.
    public func current(of model: String) -> String { "\(models)/\(model)/current" }
    public func run(_ run: String) -> String { "\(runs)/\(run)" }
    public func searchIndex(ofCorpus sha256: String) -> String { "\(search)/\(sha256)" }
    public func job(of run: String) -> String { "\(runs)/\(run)/job.json" }

    /// Creates missing directories. The inbox is writable by the group, the others are private to the service. `CorpusStore` creates
    /// the directory for rejected files.
    /// - Parameter socketGroup: the group that may connect to the socket, if it is in the state directory
    public func prepare(models names: [String], socketGroup: String? = nil) throws(DurableError) {
        try makeRoot(group: socketGroup)
        for path in [corpus, models, runs] { try Durable.makeDirectory(path) }
        try prepareInbox(models: names)
        for name in names { try Durable.makeDirectory(model(name)) }
    }

    func prepareInbox(models names: [String]) throws(DurableError) {
        try InboxFolders.prepare(inbox, models: names)
    }

    /// Returns the numbers of a model's generations on disk, in ascending order.
    public func generations(of model: String) -> [Int] {
        names(in: self.model(model)).compactMap { Int($0) }.filter { $0 >= 1 }.sorted()
    }

    /// Returns the generation that `current` points to, or nil if there is none.
    public func currentGeneration(of model: String) -> Int? {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: current(of: model))
        return target.flatMap { $0.split(separator: "/").last }.flatMap { Int($0) }
    }

    /// Returns the names of the runs that have a job.
    public func runNames() -> [String] {
        names(in: runs).filter { FileManager.default.fileExists(atPath: job(of: $0)) }.sorted()
    }

    private func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }
}
