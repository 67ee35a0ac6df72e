import Corpora
import Durable
import FoundationEssentials
import Glibc

/// What lies where: `/var/lib/kantaibert`, or the folder given with `--state-dir`.
public struct StateDirectory: Sendable, Equatable {
    public let root: String

    /// - Parameter root: made absolute against the working directory, so that jobs can name paths to other processes
    public init(root: String) {
        let absolute = root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
        self.root = absolute.split(separator: "/").filter { $0 != "." }.map { "/\($0)" }.joined()
    }

    public var inbox: String { "\(root)/inbox" }
    public var rejected: String { "\(root)/inbox/.rejected" }
    public var corpus: String { "\(root)/corpus" }
    public var models: String { "\(root)/models" }
    public var runs: String { "\(root)/runs" }
    /// The words of each corpus, counted for the next tokenizer; made again where they are missing.
    public var wordCounts: String { "\(root)/word-counts" }
    /// What the schedule remembers.
    public var schedule: String { "\(root)/schedule.json" }
    public var metrics: String { "\(root)/metrics.db" }
    public var lock: String { "\(root)/lock" }
    /// Sockets over which open files are passed, where the service's own socket lies here too.
    public var transfer: String { "\(root)/transfer" }

    /// The inbox that feeds only `model`.
    public func inbox(of model: String) -> String { "\(inbox)/\(model)" }
    public func model(_ model: String) -> String { "\(models)/\(model)" }
    public func generation(_ number: Int, of model: String) -> String { "\(models)/\(model)/\(number)" }
    /// The symbolic link to the generation that serves.
    public func current(of model: String) -> String { "\(models)/\(model)/current" }
    public func run(_ run: String) -> String { "\(runs)/\(run)" }
    public func job(of run: String) -> String { "\(runs)/\(run)/job.json" }

    /// Makes the folders that are missing. The inbox is for the group to write in, the rest for nobody else; what is rejected
    /// goes into a folder that `CorpusStore` makes.
    /// - Parameter socketGroup: who may connect to the socket, where that lies here
    public func prepare(models names: [String], socketGroup: String? = nil) throws(DurableError) {
        try makeRoot(group: socketGroup)
        for path in [corpus, models, runs] { try Durable.makeDirectory(path) }
        try prepareInbox(models: names)
        for name in names { try Durable.makeDirectory(model(name)) }
    }

    func prepareInbox(models names: [String]) throws(DurableError) {
        try InboxFolders.prepare(inbox, models: names)
    }

    /// The numbers of a model's generations on disk, ascending.
    public func generations(of model: String) -> [Int] {
        names(in: self.model(model)).compactMap { Int($0) }.filter { $0 >= 1 }.sorted()
    }

    /// The generation `current` points to; nil where there is none.
    public func currentGeneration(of model: String) -> Int? {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: current(of: model))
        return target.flatMap { $0.split(separator: "/").last }.flatMap { Int($0) }
    }

    /// The runs that have a job, by name.
    public func runNames() -> [String] {
        names(in: runs).filter { FileManager.default.fileExists(atPath: job(of: $0)) }.sorted()
    }

    private func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }
}
