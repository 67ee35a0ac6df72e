import Durable
import Foundation
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

/// Files that are added over the socket, paused training and removed generations, with the real programs.
@Suite(
    "Put, pause and rm", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct PutTests {
    private func generations(_ service: RunningService) throws -> [ManagerInterface.Generation] {
        try service.client().call(ManagerInterface.ListGenerations.self, .init(model: "kantaibert")).generations
            .sorted { $0.number < $1.number }
    }

    private func corpora(_ service: RunningService) throws -> [ManagerInterface.Corpus] {
        try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora
    }

    @Test("kbctl put says what becomes of each file, and the model is trained on it")
    func putTellsOutcomes() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 3))
        try service.start()
        let events = try service.watch()
        let source = service.folder + "/source"
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
        let text = Data(Grammar.text(lines: 500, seed: 3).utf8)
        try text.write(to: URL(filePath: source + "/a.txt"))
        try text.write(to: URL(filePath: source + "/again.txt"))
        try Data((0..<4096).map { _ in UInt8.random(in: 0...255) }).write(to: URL(filePath: source + "/noise.bin"))
        let first = try service.kbctl("put", source + "/a.txt", "-m", "kantaibert")
        #expect(first.status == 0 && first.output.hasPrefix("kantaibert/a.txt: admitted as "), "\(first)")
        let sha256 = try #require(try corpora(service).first?.sha256)
        #expect(first.output.contains(sha256.prefix(12)))
        let more = try service.kbctl("put", source + "/again.txt", source + "/noise.bin")
        #expect(more.status == EX_DATAERR, "\(more)")
        let lines = more.output.split(separator: "\n")
        #expect(
            lines.contains { $0.hasPrefix("again.txt: duplicate") }
                && lines.contains { $0.hasPrefix("noise.bin: rejected: ") })
        #expect(try corpora(service).map(\.state) == [.admitted, .duplicate, .rejected])
        // The originals are not modified, and nothing is left in the inbox.
        #expect(try Data(contentsOf: URL(filePath: source + "/a.txt")) == text)
        _ = try events.first("run_finished")
        #expect(try FileManager.default.contentsOfDirectory(atPath: service.inbox + "/kantaibert") == [])
        #expect(try service.stop().status == 0)
    }

    @Test("Of an upload that a kill interrupts nothing remains, and complete files are admitted")
    func killLeavesNothingOfAnUpload() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 3))
        try service.start()
        let text = Array(Grammar.text(lines: 500, seed: 3).utf8)
        let replies = try service.client().callMore(
            ManagerInterface.Put.self,
            .init(
                files: [.init(name: "whole.txt", bytes: text.count), .init(name: "part.txt", bytes: 1 << 20)],
                wait: true))
        let socket = OpenDescriptor(try UnixAddress.connect(to: try #require(try replies.next()?.transfer)))
        #expect(send(socket.number, text + [65], text.count + 1, Int32(MSG_NOSIGNAL)) == text.count + 1)
        while let reply = try replies.next(), reply.file == nil {}
        func temporary() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: service.inbox).filter { $0.hasSuffix(".tmp") }
        }
        while try temporary().isEmpty { usleep(1000) }
        try service.kill()
        #expect(try temporary().count == 1)
        try service.start()
        let events = try service.watch()
        if try corpora(service).isEmpty { _ = try events.first("corpus_admitted") }
        #expect(try corpora(service).map(\.name) == ["whole.txt"])
        #expect(try temporary() == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: service.folder + "/transfer") == [])
        _ = try service.stop()
    }

    @Test("A member's file counts as theirs, and no other member can read it", .needsRoot)
    func putRecordsTheMemberAsRoot() throws {
        let service = try RunningService(settings: AccessTests.settings)
        service.environment = ["KANTAIBERT_INBOX_STABLE": "1h"]
        try service.start()
        let source = "\(service.folder)-member.txt"
        try Data(Grammar.text(lines: 500, seed: 3).utf8).write(to: URL(filePath: source))
        defer { try? FileManager.default.removeItem(atPath: source) }
        try #require(chmod(source, 0o644) == 0)
        let put = try AccessTests.kbctl(service, groups: [AccessTests.connects], ["put", "--no-wait", source])
        #expect(put.status == 0, "\(put)")
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: service.inbox).first { $0.hasSuffix(".txt") })
        var status = stat()
        #expect(stat("\(service.inbox)/\(name)", &status) == 0 && status.st_uid == 0 && status.st_mode & 0o077 == 0)
        let inbox = OpenDescriptor(open(service.inbox, O_RDONLY | O_DIRECTORY))
        let sender = FileSender.ofFile(name, in: inbox.number)
        // Some file systems have no extended attributes of users.
        #expect(sender == nil || sender == uid_t(AccessTests.user))
        let pause = try AccessTests.kbctl(service, groups: [AccessTests.connects], ["pause"])
        #expect(pause.status == EX_NOPERM, "\(pause)")
        _ = try service.stop()
    }

    @Test("A paused run stops at a checkpoint, also across a restart, and continues after kbctl resume")
    func pauseSurvivesRestart() throws {
        let service = try RunningService(settings: EndToEndTests.endless)
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 500, seed: 3).utf8)
        _ = try events.first("a step") { $0.kind == "step" && ($0.number("step") ?? 0) > 2 }
        let paused = try service.kbctl("pause")
        #expect(paused.status == 0 && paused.output.contains("kantaibert-1 writes a checkpoint and stops"), "\(paused)")
        let pause = try events.first("run_paused")
        #expect(pause.runState == .interrupted && pause.message.contains("until ‘kbctl resume kantaibert’"), "\(pause)")
        let step = try #require(pause.number("step"))
        for _ in 0..<2 {
            let status = try service.client().call(ManagerInterface.GetStatus.self, .init())
            #expect(status.run == nil && status.queued.map(\.id) == ["kantaibert-1"])
            let model = try #require(status.models.first)
            #expect(
                model.paused == true && model.reason?.contains("training is paused; kantaibert-1 waits") == true,
                "\(model)")
            #expect(try service.kbctl("status").output.contains(" paused "))
            _ = try service.stop()
            try service.start()
            events = try service.watch()
        }
        #expect(try service.kbctl("resume").status == 0)
        let later = try events.first("a step after the pause") { $0.kind == "step" }
        #expect(try #require(later.number("step")) > step)
        // Training by hand also ends a pause.
        #expect(try service.kbctl("pause", "kantaibert").status == 0)
        _ = try events.first("run_paused")
        #expect(try service.kbctl("train", "kantaibert").status == 0)
        _ = try events.first("a step after training by hand") { $0.kind == "step" }
        #expect(try service.client().call(ManagerInterface.GetStatus.self, .init()).models.first?.paused == false)
        _ = try service.client().call(ManagerInterface.CancelRun.self, .init(run: "kantaibert-1"))
        _ = try events.first("run_cancelled")
        _ = try service.stop()
    }

    @Test("kbctl rm deletes an old generation for good, but not the one that serves or the newest")
    func removesGenerations() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 3))
        try service.serve("mlm", as: "kantaibert")
        try service.start()
        let exported = service.folder + "/exported"
        #expect(try service.kbctl("export", "kantaibert", exported).status == 0)
        for _ in 0..<2 { #expect(try service.kbctl("import", exported, "-m", "kantaibert").status == 0) }
        #expect(try generations(service).map(\.number) == [1, 2, 3])
        #expect(try service.kbctl("promote", "kantaibert", "2").status == 0)
        for (number, reason) in [("2", "it serves"), ("3", "it is the newest one")] {
            let refused = try service.kbctl("rm", "kantaibert", number, "--yes")
            #expect(refused.status == EX_DATAERR && refused.error.contains(reason), "\(refused)")
        }
        #expect(try service.kbctl("rm", "kantaibert", "9", "--yes").status == EX_NOINPUT)
        let removed = try service.kbctl("rm", "kantaibert", "1", "--yes")
        #expect(removed.status == 0, "\(removed)")
        #expect(try generations(service).map(\.number) == [2, 3])
        #expect(!FileManager.default.fileExists(atPath: service.folder + "/models/kantaibert/1"))
        try service.kill()
        try service.start()
        #expect(try generations(service).map(\.number) == [2, 3])
        #expect(
            try service.client().call(InferenceInterface.FillMask.self, .init(text: "the old <mask>")).receipt
                .generation == 2)
        _ = try service.stop()
    }
}
