import Durable
import FoundationEssentials
import Jobs
import Scheduling

/// `schedule.json`: what the schedule remembers from one life of the service to the next, as systemd keeps the stamp files
/// of persistent timers.
struct ScheduleMemory: Sendable {
    let path: String
    private var saved: Scheduler.Memory?

    init(path: String) { self.path = path }

    /// Nothing where there is no file.
    mutating func load() throws -> Scheduler.Memory {
        guard FileManager.default.fileExists(atPath: path) else { return Scheduler.Memory() }
        let memory = try JobCoding.decode(Scheduler.Memory.self, from: Data(try Durable.read(path)))
        saved = memory
        return memory
    }

    mutating func save(_ memory: Scheduler.Memory) throws {
        guard memory != saved else { return }
        try Durable.write(try JobCoding.encode(memory), to: path)
        saved = memory
    }
}
