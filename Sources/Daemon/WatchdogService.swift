import AsyncSupport
import Inference
import ServiceLifecycle
import Systemd

/// Tells systemd that the service is alive, where systemd wants to know.
///
/// The pings come from a task like those that answer requests, and each waits for a turn on the queue that models compute
/// on: where one of these is stuck, so are the pings. However much there is to do, the turn comes behind a step or two.
struct WatchdogService: Service {
    func run() async throws {
        guard let interval = SystemdNotify.watchdogInterval else { return try await gracefulShutdown() }
        let stop = Latch()
        await withGracefulShutdownHandler {
            repeat {
                await InferenceEngine.waitForATurn()
                SystemdNotify.watchdog()
            } while await !stop.wait(atMost: interval)
        } onGracefulShutdown: {
            stop.open()
        }
    }
}
