import CSystemd
import Glibc

/// Notifies the service manager (`sd_notify(3)`). Does nothing without one, that is, without `NOTIFY_SOCKET`.
public enum SystemdNotify {
    /// Reports that the service has started, so that units that are ordered after it can start.
    public static func ready() { send("READY=1") }

    /// Sets the line shown by `systemctl status`.
    public static func status(_ text: String) {
        send("STATUS=\(text.map { $0.isNewline ? " " : String($0) }.joined())")
    }

    /// Sends a keep-alive ping; due at least every `watchdogInterval`.
    public static func watchdog() { send("WATCHDOG=1") }

    /// Reports that the service is stopping.
    public static func stopping() { send("STOPPING=1") }

    /// Reports that the settings are being reloaded; `ready` reports the end.
    public static func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)")
    }

    /// The interval of keep-alive pings: half of the unit's `WatchdogSec=`, as recommended by `sd_watchdog_enabled(3)`.
    /// Nil if the unit has no watchdog.
    public static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(microseconds / 2))
    }

    /// Errors are ignored: a service must not fail because its manager does not receive notifications.
    private static func send(_ state: String) {
        _ = sd_notify(0, state)
    }
}
