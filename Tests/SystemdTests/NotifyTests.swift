import FoundationEssentials
import Glibc
import Systemd
import Testing

/// The socket that `sd_notify` writes to, in place of the service manager's.
private final class Manager {
    let descriptor: Int32
    let path: String

    init() throws {
        // A socket's path has at most 107 bytes, of which TMPDIR may leave too few.
        path = "/tmp/notify-\(UUID().uuidString)"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    /// Returns the messages received so far.
    func received() -> [String] {
        var texts: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return texts }
            texts.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }
}

/// Environment variables are global to a process, so each test runs in a separate process.
struct NotifyTests {
    @Test func notificationsReachTheManager() async throws {
        let manager = try Manager()
        await #expect(processExitsWith: .success) { [path = manager.path as String] in
            setenv("NOTIFY_SOCKET", path, 1)
            SystemdNotify.ready()
            SystemdNotify.status("kantaibert: step 5 of 100\nREADY=0, loss 4.2")
            SystemdNotify.watchdog()
            SystemdNotify.stopping()
            SystemdNotify.reloading()
        }
        let heard = manager.received()
        #expect(
            heard.dropLast() == [
                "READY=1", "STATUS=kantaibert: step 5 of 100 READY=0, loss 4.2", "WATCHDOG=1", "STOPPING=1",
            ])
        #expect(heard.last?.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=[0-9]+/) != nil)
    }

    @Test func nothingIsSentWithoutAManager() async {
        await #expect(processExitsWith: .success) {
            unsetenv("NOTIFY_SOCKET")
            SystemdNotify.ready()
            setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1)
            SystemdNotify.ready()
        }
    }

    @Test func watchdogIntervalIsHalfTheTimeout() async {
        await #expect(processExitsWith: .success) {
            for name in ["WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
            #expect(SystemdNotify.watchdogInterval == nil)
            setenv("WATCHDOG_USEC", "30000000", 1)
            #expect(SystemdNotify.watchdogInterval == .seconds(15))
            setenv("WATCHDOG_PID", "1", 1)
            #expect(SystemdNotify.watchdogInterval == nil, "the variable is for another process")
        }
    }

    @Test func noDescriptorsWithoutSocketActivation() async {
        await #expect(processExitsWith: .success) {
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
            #expect(listenDescriptors().isEmpty)
            setenv("LISTEN_PID", "1", 1)
            setenv("LISTEN_FDS", "1", 1)
            #expect(listenDescriptors().isEmpty, "they are for another process")
            #expect(getenv("LISTEN_FDS") == nil)
        }
    }

    @Test func descriptorsHaveTheirNames() async {
        await #expect(processExitsWith: .success) {
            // The testing library may communicate with its parent process through one of these descriptors, so they are restored
            // before any expectation.
            let taken = [3, 4].map { (number: Int32($0), copy: fcntl(Int32($0), F_DUPFD_CLOEXEC, 10)) }
            for (number, _) in taken { dup2(STDERR_FILENO, number) }
            setenv("LISTEN_PID", "\(getpid())", 1)
            setenv("LISTEN_FDS", "2", 1)
            setenv("LISTEN_FDNAMES", "varlink:other", 1)
            let descriptors = listenDescriptors()
            let flags = fcntl(3, F_GETFD)
            let again = listenDescriptors()
            for (number, copy) in taken where copy >= 0 { dup2(copy, number) }
            #expect(descriptors.map(\.name) == ["varlink", "other"])
            #expect(descriptors.map(\.descriptor) == [3, 4])
            #expect(flags & FD_CLOEXEC != 0, "children do not inherit them")
            #expect(again.isEmpty, "they are returned only once")
        }
    }

    @Test func variableForAnotherStreamIsIgnored() {
        var status = stat()
        fstat(STDERR_FILENO, &status)
        #expect(SystemdLogging.standardErrorIsJournal("\(status.st_dev):\(status.st_ino)"))
        #expect(!SystemdLogging.standardErrorIsJournal("\(status.st_dev):\(status.st_ino + 1)"))
        #expect(!SystemdLogging.standardErrorIsJournal(nil))
    }
}
