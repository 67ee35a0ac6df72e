import ServiceLifecycle
import Systemd

/// Tells systemd that the service is alive, where systemd wants to know.
///
/// The pings come from a task like those that answer requests: where these are stuck, so are the pings.
struct WatchdogService: Service {
    func run() async throws {
        guard let interval = SystemdNotify.watchdogInterval else { return try await gracefulShutdown() }
        let stop = Latch()
        await withGracefulShutdownHandler {
            repeat { SystemdNotify.watchdog() } while await !stop.wait(atMost: interval)
        } onGracefulShutdown: {
            stop.open()
        }
    }
}
