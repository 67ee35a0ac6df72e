import Durable
import FoundationEssentials
import Jobs

/// When a generation was created. Stored as `created.json` in its directory, so that it survives copying without file times.
struct GenerationTime: Codable {
    var created: Date

    private static let file = "created.json"

    /// Returns nil if it is not stored.
    static func read(_ directory: String) -> Date? {
        guard let json = try? Durable.read("\(directory)/\(file)") else { return nil }
        return try? JobCoding.decode(GenerationTime.self, from: Data(json)).created
    }

    /// Returns the stored time, or else stores and returns the result of `made`. A stored time is never changed.
    static func ensure(in directory: String, made: () throws -> Date) throws -> Date {
        if let known = read(directory) { return known }
        // Whole seconds survive every format the time is written in.
        let seconds = try made().timeIntervalSince1970.rounded(.down)
        let time = GenerationTime(created: Date(timeIntervalSince1970: seconds))
        // If it cannot be stored now, the modification time of the weights yields the same value the next time.
        try? Durable.write(JobCoding.encode(time), to: "\(directory)/\(file)")
        return time.created
    }
}
