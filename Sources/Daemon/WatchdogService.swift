import AsyncSupport
import Inference
import ServiceLifecycle
import Systemd

/// Sends keep-alive pings to systemd if the unit has a watchdog.
///
/// The pings are sent from a task like those that answer requests, and each ping waits for a turn on the queue of model
/// computations. If either is stuck, the pings stop. Under any load, a ping waits for at most a step or two.
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
