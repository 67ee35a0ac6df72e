import Durable
import FoundationEssentials
import Jobs
import Database

/// How a run ended. Stored as `ended.json` next to its job, so that it is known without the database.
struct RunEnding: Codable, Sendable, Equatable {
    var state: RunRecord.State
    var reason: String?
    /// Whether another run with the same job may continue from its checkpoints.
    var goesOn: Bool

    private static func file(_ runDirectory: String) -> String { "\(runDirectory)/ended.json" }

    /// Returns nil if the run has not ended.
    static func read(_ runDirectory: String) -> RunEnding? {
        guard let json = try? Durable.read(file(runDirectory)) else { return nil }
        return try? JobCoding.decode(RunEnding.self, from: Data(json))
    }

    func write(_ runDirectory: String) throws {
        guard FileManager.default.fileExists(atPath: runDirectory) else { return }
        try Durable.write(JobCoding.encode(self), to: Self.file(runDirectory))
    }
}
