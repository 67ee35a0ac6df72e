import Durable
import FoundationEssentials
import Jobs
import Scheduling

/// `schedule.json`: what the schedule remembers from one life of the service to the next, as systemd keeps the stamp files
/// of persistent timers.
struct ScheduleStateFile: Sendable {
    let path: String
    private var saved: Scheduler.PersistedState?

    init(path: String) { self.path = path }

    /// Nothing where there is no file.
    mutating func load() throws -> Scheduler.PersistedState {
        guard FileManager.default.fileExists(atPath: path) else { return Scheduler.PersistedState() }
        let memory = try JobCoding.decode(Scheduler.PersistedState.self, from: Data(try Durable.read(path)))
        saved = memory
        return memory
    }

    mutating func save(_ memory: Scheduler.PersistedState) throws {
        guard memory != saved else { return }
        try Durable.write(try JobCoding.encode(memory), to: path)
        saved = memory
    }
}
