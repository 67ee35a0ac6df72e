import ArgumentParser
import Foundation
import Glibc
import Interface
import Varlink

/// Runs the real service on a fresh state directory and measures how fast it admits a folder with many small files.
struct InboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inbox", abstract: "Measure how fast kantaibertd admits many small files.")

    @Option(help: "Number of files.") var files = 50_000
    @Option(help: "Size of each file in bytes, at least 32.") var bytes = 1024
    @Option(help: "State directory of the service; a temporary one is used by default.", completion: .directory)
    var stateDir: String?

    private static let settings = """
        models: [kantaibert]
        kantaibert:
          objective: mlm
          preset: tiny
        schedule:
          settle: 24h

        """

    private struct Result: Encodable {
        let bench = "inbox"
        let files: Int
        let bytes: Int
        let seconds: Double
        let filesPerSecond: Double
        /// User and system time of the service.
        let cpuSeconds: Double
        let peakRSSBytes: Int
    }

    func validate() throws {
        guard files > 0, bytes >= 32 else { throw ValidationError("needs at least one file of at least 32 bytes") }
    }

    func run() throws {
        let service = try SoakedService(
            directory: stateDir ?? "/tmp/kb-inbox-\(getpid())", settings: Self.settings)
        defer {
            service.stop()
            if stateDir == nil { service.remove() }
        }
        try service.start()
        let client = try service.connect()
        let aside = service.directory + "/aside"
        try makeFiles(in: aside)
        sync()
        let before = try ServiceUsage(of: service.process.processIdentifier)
        let began = ContinuousClock.now
        // One rename: the files are found by a scan, as they are when many were dropped while the service was down.
        guard rename(aside, service.directory + "/inbox/notes") == 0 else {
            throw SoakError(description: "\(aside): \(String(cString: strerror(errno)))")
        }
        while try admitted(client) < files {
            guard service.process.isRunning else {
                throw SoakError(description: "the service has exited; its log is \(service.log)")
            }
            usleep(100_000)
        }
        let seconds = (ContinuousClock.now - began).inSeconds
        let after = try ServiceUsage(of: service.process.processIdentifier)
        print(
            try jsonLine(
                Result(
                    files: files, bytes: bytes, seconds: seconds, filesPerSecond: Double(files) / seconds,
                    cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakRSSBytes: after.peakRSSBytes)))
    }

    private func admitted(_ client: VarlinkClient) throws -> Int {
        try client.call(ManagerInterface.ListCorpora.self, .init(state: "admitted", limit: 0)).counts?.admitted ?? 0
    }

    /// Writes files with different texts.
    private func makeFiles(in folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let filler = Array(repeating: Array("pure reason is the object of all sense\n".utf8), count: bytes / 39 + 1)
            .joined().prefix(bytes)
        for number in 0..<files {
            var text = Array("text \(number)\n".utf8)
            text += filler.dropFirst(text.count)
            try Data(text).write(to: URL(filePath: "\(folder)/\(number).txt"))
        }
    }
}

/// Resources that a process has used so far, from `/proc`.
private struct ServiceUsage {
    let cpuSeconds: Double
    let peakRSSBytes: Int

    init(of process: pid_t) throws {
        func read(_ name: String) throws -> String {
            try String(contentsOfFile: "/proc/\(process)/\(name)", encoding: .utf8)
        }
        // The fields after the name, which is in parentheses; user and system time are the 14th and 15th of all.
        let fields = try read("stat").split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
        cpuSeconds = Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
        let line = try read("status").split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        peakRSSBytes = (kilobytes ?? 0) << 10
    }
}
