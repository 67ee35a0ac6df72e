import Events
import Logging
import ServiceLifecycle
import Settings
import Systemd
import UnixSignals
import Varlink

/// Reloads the settings on SIGHUP, which `systemctl reload` sends.
struct ReloadService: Service {
    /// Created before the service is ready, because SIGHUP ends a process that does not handle it.
    let signals: UnixSignalsSequence
    let settings: ReloadableSettings
    let read: @Sendable () throws(SettingsError) -> Settings
    let journal: EventJournal
    let training: TrainingService

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() { await reload() }
        try await gracefulShutdown()
    }

    private func reload() async {
        SystemdNotify.reloading()
        defer { SystemdNotify.ready() }
        let new: Settings
        do throws(SettingsError) {
            new = try read()
        } catch {
            return journal.report(
                ServiceEvent(.settingsRefused, "the settings are invalid, the previous ones stay in force: \(error)"))
        }
        let waiting = settings.take(new)
        SystemdLogging.level = Logger.Level(rawValue: new.logging.level) ?? .info
        await training.settingsChanged()
        let restart = waiting.isEmpty ? "" : "; a restart is needed for \(waiting.joined(separator: ", "))"
        journal.report(
            ServiceEvent(
                .settingsReloaded, "the settings were reloaded\(restart)",
                fields: ["waiting": .array(waiting.map(JSONValue.string))]))
    }
}
