import Durable
import FoundationEssentials
import Jobs
import Scheduling

/// The state of the schedule that survives restarts of the service, in `schedule.json`. Serves the purpose of the stamp files of
/// systemd's persistent timers.
struct ScheduleStateFile: Sendable {
    let path: String
    private var saved: Scheduler.PersistedState?

    init(path: String) { self.path = path }

    /// Returns an empty state if there is no file.
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
