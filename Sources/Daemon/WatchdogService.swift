import AsyncSupport
import Inference
import ServiceLifecycle
import Systemd

/// Sends keep-alive pings to systemd if the unit has a watchdog.
///
/// The pings are sent by a task like those that answer requests, and each waits for a turn on the queue that models compute on:
/// if either is stuck, so are the pings. Under any load, the turn comes after a step or two.
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
