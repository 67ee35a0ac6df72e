import Foundation
import Glibc
import Interface
import TestSupport
import Synchronization
import Testing
import Varlink

/// A running `kantaibertd` with its own state directory.
final class RunningService {
    let folder: String
    private let notify: NotifySocket
    private var process: Process?
    /// Variables to add to or replace in the tests' environment.
    var environment: [String: String] = [:]
    var isRunning: Bool { process?.isRunning ?? false }

    var socket: String { folder + "/io.kantaibert" }
    var inbox: String { folder + "/inbox" }

    /// - Parameter parent: folder in which the state directory is created
    init(settings: String, in parent: String = "/tmp") throws {
        folder = "\(parent)/kantaibert-test-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(settings.utf8).write(to: URL(filePath: folder + "/kantaibert.yaml"))
        notify = try NotifySocket(path: folder + "/notify")
    }

    deinit {
        if let process, process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Installs a fixture model in the state directory before the service starts, so that it serves without training.
    /// - Parameter fixture: `mlm` or `clm`
    func serve(_ fixture: String, as model: String) throws {
        let source = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../InferenceTests/Fixtures/\(fixture)").standardized
        let models = folder + "/models/\(model)"
        try FileManager.default.createDirectory(atPath: models, withIntermediateDirectories: true)
        try copyFolder(source.path, to: models + "/1")
        try FileManager.default.createSymbolicLink(atPath: models + "/current", withDestinationPath: "1")
    }

    /// Starts the service and waits until it reports that it is ready.
    /// - Parameters:
    ///   - user: user and group id to run as; needs root
    ///   - wrapper: command that executes the service
    func start(as user: Int? = nil, through wrapper: [String] = []) throws {
        try launch(as: user, through: wrapper)
        try #require(notify.waits(for: "READY=1", seconds: 300), "the service is not ready; its log:\n\(logText)")
    }

    /// Starts the service without waiting.
    func launch(as user: Int? = nil, through wrapper: [String] = []) throws {
        let process = Process()
        let asUser = user.map { ["/usr/bin/setpriv", "--reuid=\($0)", "--regid=\($0)", "--clear-groups"] } ?? []
        let command =
            wrapper + asUser + [
                Programs.folder + "/kantaibertd", "--state-dir", folder, "--config", folder + "/kantaibert.yaml",
            ]
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            .merging(["NOTIFY_SOCKET": notify.path]) { $1 }
        process.standardInput = FileHandle.nullDevice
        let log = folder + "/log"
        if !FileManager.default.fileExists(atPath: log) { try Data().write(to: URL(filePath: log)) }
        let handle = try FileHandle(forWritingTo: URL(filePath: log))
        try handle.seekToEnd()
        process.standardError = handle
        notify.forget()
        try process.run()
        self.process = process
    }

    /// Stops the service with SIGTERM, or with SIGKILL if it hangs for five minutes.
    /// - Returns: the exit status and the duration in seconds
    func stop() throws -> (status: Int32, seconds: Double) {
        let process = try #require(process)
        let began = ContinuousClock.now
        Glibc.kill(process.processIdentifier, SIGTERM)
        while process.isRunning, began.duration(to: .now) < .seconds(300) { usleep(2000) }
        if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        let seconds = began.duration(to: .now) / .seconds(1)
        self.process = nil
        return (
            process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus, seconds
        )
    }

    /// Replaces the settings file and sends SIGHUP.
    func reload(settings: String) throws {
        try Data(settings.utf8).write(to: URL(filePath: folder + "/kantaibert.yaml"))
        notify.forget()
        Glibc.kill(try #require(process).processIdentifier, SIGHUP)
    }

    /// Waits until the service has sent the given line to its service manager.
    func notified(_ line: String) -> Bool { notify.waits(for: line, seconds: 300) }

    var processIdentifier: pid_t { get throws { try #require(process).processIdentifier } }

    func signal(_ number: Int32) throws {
        Glibc.kill(try #require(process).processIdentifier, number)
    }

    /// Kills the service with SIGKILL and waits until the process has exited.
    func kill() throws {
        let process = try #require(process)
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    var logText: String { (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "" }

    func kbctl(_ arguments: String...) throws -> Programs.Output {
        try Programs.run("kbctl", arguments + ["--socket", socket])
    }

    func client() throws -> VarlinkClient {
        try VarlinkClient(path: socket, errors: InferenceInterface.errors + ManagerInterface.errors)
    }

    /// Returns all events from now on.
    func watch() throws -> Events {
        let asking = try client()
        func watches() throws -> Int {
            let resources = try asking.call(ManagerInterface.GetStatus.self, .init()).resources
            guard case .int(let count)? = resources["watches"] else { return -1 }
            return count
        }
        let before = try watches()
        let events = Events(replies: try client().callMore(ManagerInterface.Watch.self, .init()), service: self)
        // The call has been sent; events that precede its processing by the service would be missed.
        while try watches() == before { usleep(1000) }
        return events
    }

    func drop(_ name: String, _ bytes: some Sequence<UInt8>) throws {
        try Data(bytes).write(to: URL(filePath: "\(inbox)/\(name)"))
    }

    /// Returns the process id of the training process, a child of the service.
    func trainingProcess() throws -> pid_t {
        var children = ChildProcesses(of: try #require(process).processIdentifier)
        guard let child = children.next() else { throw POSIXError(.ESRCH) }
        return child
    }

    /// Stops the next child process that runs a subcommand.
    func stopChild(running subcommand: String) throws -> StoppedChild {
        StoppedChild(of: try #require(process).processIdentifier, running: subcommand)
    }
}

/// The child processes of a process.
struct ChildProcesses: Sequence, IteratorProtocol {
    private var names: [String]
    private let parent: pid_t

    init(of parent: pid_t) {
        self.parent = parent
        names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    }

    mutating func next() -> pid_t? {
        while let name = names.popLast() {
            guard let pid = pid_t(name), let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                // The fields after the name, which is in parentheses, are the state and the parent.
                let field = stat.split(separator: ")").last?.split(separator: " ").dropFirst().first,
                pid_t(field) == parent
            else { continue }
            return pid
        }
        return nil
    }
}

/// Stops (SIGSTOP) the first child process of a service that runs a subcommand, however soon it would end: it is looked
/// for from the creation of this object on.
final class StoppedChild: Sendable {
    private let found = Mutex<pid_t?>(nil)
    private let end = DispatchSemaphore(value: 0)

    init(of service: pid_t, running subcommand: String, within seconds: TimeInterval = 300) {
        let deadline = Date(timeIntervalSinceNow: seconds)
        Thread.detachNewThread { [self] in
            while found.withLock({ $0 }) == nil, Date() < deadline {
                for child in ChildProcesses(of: service) {
                    let line = try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8)
                    guard line?.split(separator: "\0").dropFirst().first == Substring(subcommand),
                        kill(child, SIGSTOP) == 0
                    else { continue }
                    found.withLock { $0 = child }
                    break
                }
            }
            end.signal()
        }
    }

    /// Waits for the process; nil if there was none in time.
    func wait() -> pid_t? {
        end.wait()
        end.signal()
        return found.withLock { $0 }
    }
}

struct Events {
    let replies: VarlinkReplies<ManagerInterface.Watch>
    let service: RunningService

    /// Waits for the first event that satisfies `isWanted`.
    func first(
        within seconds: Int = 300, _ what: String, where isWanted: (ManagerInterface.Event) -> Bool
    ) throws -> ManagerInterface.Event {
        let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
        var seen: [String] = []
        while ContinuousClock.now < deadline {
            guard try replies.wait(for: .seconds(1)) else { continue }
            guard let event = try replies.next()?.event else { break }
            if isWanted(event) { return event }
            if event.kind != "step" { seen.append("\(event.kind): \(event.message)") }
        }
        throw Missing(
            description: "\(what) was not received within \(seconds) s, only \(seen); the log:\n\(service.logText)")
    }

    func first(_ kind: String, model: String? = nil) throws -> ManagerInterface.Event {
        try first("‘\(kind)’") { $0.kind == kind && (model == nil || $0.model == model) }
    }

    struct Missing: Error, CustomStringConvertible { var description: String }
}

extension ManagerInterface.Event {
    func number(_ field: String) -> Int? {
        guard case .int(let number)? = fields[field] else { return nil }
        return number
    }
}
