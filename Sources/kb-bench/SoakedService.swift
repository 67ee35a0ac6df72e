import Durable
import Foundation
import Glibc
import Interface
import Varlink

/// Runs `kantaibertd` from this program's folder with two models: tiny ones that are trained whenever there is new
/// text, or existing ones.
final class SoakedService {
    let directory: String
    let process = Process()
    /// The socket, in a folder of its own that other users can access.
    var socket: String { directory + ".socket/io.kantaibert" }
    var log: String { directory + "/log" }

    private static let settings = """
        models: [kantaibert, assistant]
        kantaibert:
          objective: mlm
          preset: tiny
        assistant:
          objective: clm
          preset: tiny
        inbox:
          stable: 500ms
        schedule:
          settle: 5s
        socket:
          mode: "0666"

        """

    /// - Parameters:
    ///   - settings: the settings file; nil uses one for soak tests
    ///   - models: model directories by model name, each served as generation 1
    init(directory: String, settings: String? = nil, models: [String: String] = [:]) throws {
        self.directory = directory
        let files = FileManager.default
        try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try files.createDirectory(
            atPath: directory + ".socket", withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o755])
        for (name, source) in models {
            let generations = "\(directory)/models/\(name)"
            try files.createDirectory(atPath: generations, withIntermediateDirectories: true)
            try files.copyItem(atPath: source, toPath: generations + "/1")
            try files.createSymbolicLink(atPath: generations + "/current", withDestinationPath: "1")
        }
        try Data((settings ?? Self.settings).utf8).write(to: URL(filePath: directory + "/kantaibert.yaml"))
        try Data().write(to: URL(filePath: log))
        process.executableURL = try Self.ownProgram.deletingLastPathComponent().appending(path: "kantaibertd")
        process.arguments = [
            "--state-dir", directory, "--config", directory + "/kantaibert.yaml", "--socket", socket,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: URL(filePath: log))
    }

    /// Path of this program.
    static var ownProgram: URL {
        get throws { URL(filePath: try OwnProgram.path()) }
    }

    func start() throws { try process.run() }

    /// Waits until the service answers.
    func connect() throws -> VarlinkClient {
        while process.isRunning {
            if let client = try? VarlinkClient(path: socket) { return client }
            usleep(20_000)
        }
        throw SoakError(description: "the service has exited; its log is \(log)")
    }

    func remove() {
        for path in [directory, directory + ".socket"] { try? FileManager.default.removeItem(atPath: path) }
    }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    /// Reloads the settings with SIGHUP, unless the service does not handle it and would be terminated.
    func reload() {
        guard let status = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
            let caught = UInt64(line.split(whereSeparator: \.isWhitespace).last ?? "", radix: 16),
            caught & (1 << UInt64(SIGHUP - 1)) != 0
        else { return }
        kill(process.processIdentifier, SIGHUP)
    }

    /// Puts a text into the inbox atomically. Each number gives a different text.
    func drop(_ number: Int) throws {
        let words = [
            "reason", "the", "of", "pure", "sense", "is", "object", "all", "time", "space", "law", "moral", "we",
        ]
        var state = UInt64(number) &* 2_862_933_555_777_941_757 &+ 3_037_000_493
        var text = "text \(number)\n\n"
        for _ in 0..<2000 {
            for _ in 0..<8 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += words[Int(state >> 33) % words.count] + " "
            }
            text += "\n\n"
        }
        let aside = "\(directory)/aside-\(number)"
        try Data(text.utf8).write(to: URL(filePath: aside))
        // The service creates the inbox when it starts.
        while !FileManager.default.fileExists(atPath: "\(directory)/inbox/.rejected") && process.isRunning {
            usleep(10_000)
        }
        guard rename(aside, "\(directory)/inbox/text-\(number).txt") == 0 else {
            throw SoakError(description: "\(aside): \(String(cString: strerror(errno)))")
        }
    }

    func waitUntilServing() throws {
        while process.isRunning {
            if let client = try? VarlinkClient(path: socket),
                let models = try? client.call(ManagerInterface.ListModels.self, .init()).models,
                models.allSatisfy({ $0.generation != nil })
            {
                return
            }
            sleep(1)
        }
        throw SoakError(description: "the service has exited; its log is \(log)")
    }

    /// Returns the number of admitted corpora once the inbox is empty.
    func admitted() throws -> Int {
        let client = try VarlinkClient(path: socket)
        let patience = ContinuousClock.now + .seconds(30)
        while try client.call(ManagerInterface.GetStatus.self, .init()).inboxPending > 0, ContinuousClock.now < patience
        {
            usleep(200_000)
        }
        let first = try client.call(ManagerInterface.ListCorpora.self, .init(state: "admitted", limit: 0))
        return first.counts?.admitted ?? 0
    }
}

/// The reason a soak test cannot continue.
struct SoakError: Error, CustomStringConvertible {
    let description: String
}
