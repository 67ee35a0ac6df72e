import Foundation
import Glibc
import Interface
import Testing
import Varlink

@Suite(
    "The command at the end of a run", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct NotifyTests {
    /// - Parameter command: the value of `training.notify`
    private func settings(_ command: String) -> String {
        GateTests.settings(steps: 3, more: "training:\n  notify: \(command)")
    }

    /// A command that appends its variables and descriptors to the file `notes`.
    private func noting(_ service: RunningService) -> String {
        let script =
            "(echo run=$KB_RUN model=$KB_MODEL state=$KB_STATE generation=$KB_GENERATION; ls /proc/$$/fd | xargs) >> "
            + service.folder + "/notes"
        return "[/bin/sh, -c, \"\(script)\"]"
    }

    private func set(_ settings: String, _ service: RunningService) throws {
        try Data(settings.utf8).write(to: URL(filePath: service.folder + "/kantaibert.yaml"))
    }

    private func wait(_ condition: () throws -> Bool) throws -> Bool {
        let deadline = Date(timeIntervalSinceNow: 300)
        while Date() < deadline {
            if try condition() { return true }
            usleep(10_000)
        }
        return try condition()
    }

    private func notes(_ service: RunningService) -> [Substring] {
        ((try? String(contentsOfFile: service.folder + "/notes", encoding: .utf8)) ?? "").split(separator: "\n")
    }

    private static let first = "run=kantaibert-1 model=kantaibert state=finished generation=1"

    @Test("It runs once for each run, also across restarts, and a failure is logged and harms nothing")
    func runsOnceForEachRun() throws {
        let service = try RunningService(settings: "")
        try set(settings(noting(service)), service)
        try service.start()
        try service.drop("a.txt", Grammar.text(lines: 300, seed: 3).utf8)
        #expect(try wait { notes(service).count == 2 })
        #expect(notes(service) == [Substring(Self.first), "0 1 2"], "\(service.logText)")
        #expect(try service.stop().status == 0)
        let file = URL(filePath: service.folder + "/notify.json")
        #expect(try String(contentsOf: file, encoding: .utf8) == "[]")

        // As if the service had been killed: after the end of the first run was recorded, and before that of another.
        let due = ["kantaibert-1", "kantaibert-7"].map { run in
            #"{"run":"\#(run)","model":"kantaibert","state":"finished","generation":1}"#
        }
        try Data("[\(due.joined(separator: ","))]".utf8).write(to: file)
        try service.start()
        #expect(try wait { notes(service).count == 4 })
        #expect(notes(service) == [Substring(Self.first), "0 1 2", Substring(Self.first), "0 1 2"])
        #expect(try String(contentsOf: file, encoding: .utf8) == "[]")
        // A file that cannot be read is no reason not to start.
        #expect(try service.stop().status == 0)
        try Data("{".utf8).write(to: file)

        try set(settings("[/bin/sh, -c, \"echo no route >&2; exit 3\"]"), service)
        try service.start()
        _ = try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert", force: true))
        let failure = "training.notify failed for kantaibert-2: /bin/sh: status 3 (no route)"
        #expect(try wait { service.logText.contains(failure) }, "\(service.logText)")
        #expect(try service.client().call(ManagerInterface.ListRuns.self, .init()).runs.first?.state == .finished)

        try service.reload(settings: settings("[/none/program]"))
        #expect(service.notified("READY=1"))
        _ = try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert", force: true))
        #expect(
            try wait { service.logText.contains("kantaibert-3: /none/program: it cannot be started: No such file") },
            "\(service.logText)")
        #expect(try service.stop().status == 0)
        #expect(notes(service).count == 4)
    }

    /// What other programs see of a database whose log they do not copy.
    @Test("A copy of metrics.db alone has what was recorded when the service stopped")
    func databaseIsCompleteWithoutItsLog() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 3))
        try service.start()
        #expect(try Data(contentsOf: URL(filePath: service.folder + "/metrics.db")).count > 4_096)
        #expect(try service.stop().status == 0)
        let log = service.folder + "/metrics.db-wal"
        let size = try? FileManager.default.attributesOfItem(atPath: log)[.size] as? Int
        #expect(size ?? 0 == 0)
    }
}

@Suite(
    "The card of an exported model", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct ModelCardTests {
    @Test("The card states license, language, data, limits and results, and nothing in a file's name is markup")
    func cardIsComplete() throws {
        let settings = GateTests.settings(steps: 3).replacing(
            "objective: mlm", with: "objective: mlm\n  license: my-terms-1.0\n  language: [de, no]")
        let service = try RunningService(settings: settings)
        try service.start()
        let events = try service.watch()
        try service.drop("a|b<i>`.txt", Grammar.text(lines: 300, seed: 3).utf8)
        _ = try events.first("generation_serves")
        let target = service.folder + "/exported"
        let exported = try service.kbctl("export", "kantaibert", target, "--onnx")
        #expect(exported.status == 0, "\(exported)")
        let card = try String(contentsOfFile: target + "/README.md", encoding: .utf8)
        let arguments = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: target + "/training_args.json")))
                as? [String: Any])
        let longest = try #require(arguments["longest_position"] as? Int)
        for line in [
            "license: other", "license_name: my-terms-1.0", #"language: ["de", "no"]"#, "pipeline_tag: fill-mask",
            "    - type: loss", "    - type: bits_per_byte", "| usable tokens | \(longest) |",
            "## Training data", "1 text of ",
        ] { #expect(card.contains("\n\(line)"), "\(line)\n\(card)") }
        let today = Date().formatted(.iso8601.year().month().day())
        let row = try #require(card.split(separator: "\n").first { $0.hasPrefix("| a") })
        #expect(row.hasPrefix(#"| a\|b\<i\>\`.txt | "#) && row.contains(" | \(today) | `"), "\(row)")

        let tokenizer = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: target + "/tokenizer_config.json")))
                as? [String: Any])
        #expect(tokenizer["model_max_length"] as? Int == longest)
        // Protocol buffers begin with the version of the format, 8.
        #expect(try Data(contentsOf: URL(filePath: target + "/model.onnx")).prefix(2) == Data([8, 8]))
        #expect(try service.stop().status == 0)
    }
}
