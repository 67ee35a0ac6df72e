import Durable
import FoundationEssentials
import Jobs

/// When a generation was made: `created.json` in its directory, which a copy without its files' times has too.
struct GenerationTime: Codable {
    var created: Date

    private static let file = "created.json"

    /// Nil where it is not written down.
    static func read(_ directory: String) -> Date? {
        guard let json = try? Durable.read("\(directory)/\(file)") else { return nil }
        return try? JobCoding.decode(GenerationTime.self, from: Data(json)).created
    }

    /// What is written down, or `made`, which is then; it is never written again.
    static func ensure(in directory: String, made: () throws -> Date) throws -> Date {
        if let known = read(directory) { return known }
        // In whole seconds, which are the same wherever they are written and read.
        let seconds = try made().timeIntervalSince1970.rounded(.down)
        let time = GenerationTime(created: Date(timeIntervalSince1970: seconds))
        // Where it cannot be written now, the files' own time says the same the next time.
        try? Durable.write(JobCoding.encode(time), to: "\(directory)/\(file)")
        return time.created
    }
}
