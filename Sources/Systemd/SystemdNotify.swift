import CSystemd
import Glibc

/// What a service tells its manager (`sd_notify(3)`). Without a manager, that is without `NOTIFY_SOCKET`, nothing happens.
public enum SystemdNotify {
    /// The service has started: units that wait for it may go on.
    public static func ready() { send("READY=1") }

    /// One line for `systemctl status`.
    public static func status(_ text: String) {
        send("STATUS=\(text.map { $0.isNewline ? " " : String($0) }.joined())")
    }

    /// A sign of life; due at least every `watchdogInterval`.
    public static func watchdog() { send("WATCHDOG=1") }

    /// The service is on its way out.
    public static func stopping() { send("STOPPING=1") }

    /// The settings are being read again; `ready` ends it.
    public static func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)")
    }

    /// How often a sign of life should be sent: half of the unit's `WatchdogSec=`, as `sd_watchdog_enabled(3)` advises.
    /// Null where nobody watches.
    public static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(microseconds / 2))
    }

    /// A manager that does not listen is no reason for a service to fail.
    private static func send(_ state: String) {
        _ = sd_notify(0, state)
    }
}
