import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// Tests what watchers and the log report when the service stops, and under many events.
@Suite(
    "Watching and the log", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct WatchingTests {
    private static let settings = """
        models: [kantaibert]
        kantaibert:
          objective: mlm
          preset: tiny
        inbox:
          stable: 100ms
        schedule:
          settle: 1h
        """

    private static let text = Array(repeating: "the old man walks\n", count: 50).joined()

    @Test("Watchers and kbctl are told that the service stops, without errors in the log")
    func reportsServiceStopToWatchers() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        let all = try service.watch().replies
        // Includes a watcher of a single run.
        let one = try service.client().callMore(ManagerInterface.Watch.self, .init(run: "none-1"))
        let kbctl = Process()
        let (output, errors) = (Pipe(), Pipe())
        kbctl.executableURL = URL(filePath: Programs.folder + "/kbctl")
        kbctl.arguments = ["watch", "--socket", service.socket]
        kbctl.standardOutput = output
        kbctl.standardError = errors
        try kbctl.run()
        // kbctl is watching once it prints an event for a file.
        var number = 0
        var entry = pollfd(fd: output.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
        repeat {
            number += 1
            try service.drop("\(number).txt", "\(number) \(Self.text)".utf8)
        } while poll(&entry, 1, 500) == 0 && number < 200
        #expect(try service.stop().status == 0)
        var kinds: [String] = []
        while let reply = try all.next() { kinds.append(reply.event.kind) }
        #expect(kinds.last == "service_stopping" && kinds.first == "corpus_admitted", "\(kinds)")
        #expect(try one.next()?.event.kind == "service_stopping")
        #expect(try one.next() == nil)
        let said = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        kbctl.waitUntilExit()
        #expect(kbctl.terminationStatus == 69)
        #expect(said == "kbctl: the service stopped while it was being watched\n")
        #expect(!service.logText.contains(" error "), "\(service.logText)")
        #expect(service.logText.contains("kantaibertd is stopping"))
    }

    @Test("Many files at once give few log lines, but one event each")
    func coalescesLogLinesOfManyFiles() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        let events = try service.watch()
        let count = 400
        for number in 0..<count { try service.drop("\(number).txt", "\(number) \(Self.text)".utf8) }
        for number in 0..<20 { try service.drop("\(number).bin", [0, 1, 2, UInt8(number)]) }
        var seen = (admitted: 0, rejected: 0)
        _ = try events.first("every file") { event in
            if event.kind == "corpus_admitted" { seen.admitted += 1 }
            if event.kind == "corpus_rejected" { seen.rejected += 1 }
            return seen == (count, 20)
        }
        #expect(try service.stop().status == 0)
        for (word, whole) in [("admitted", count), ("rejected", 20)] {
            let lines = service.logText.split(separator: "\n").filter { $0.contains(" \(word)") }
            // `12:00:01 info     and 399 further files are admitted: 360.0 kB`
            let seconds = lines.map { $0.prefix(8) }
            for second in Set(seconds) { #expect(seconds.count { $0 == second } <= 2, "\(lines)") }
            let told = lines.reduce(0) { sum, line in
                guard let range = line.firstRange(of: "and ") else { return sum + line.split(separator: "; ").count }
                return sum + (Int(line[range.upperBound...].prefix { $0.isNumber }) ?? 0)
            }
            #expect(told == whole, "\(lines)")
        }
        let stored = try Programs.run(
            "/usr/bin/env",
            ["sqlite3", service.folder + "/metrics.db", "SELECT count(*) FROM events WHERE kind = 'corpus_admitted'"])
        if stored.status == 0 { #expect(stored.output == "\(count)\n") }
    }
}
