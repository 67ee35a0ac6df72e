import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// Tests malicious models with the programs as a user runs them.
@Suite(
    "Hostile models", .serialized, .timeLimit(.minutes(30)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct HostileModelTests {
    /// Changes a number in `config.json` or `training_args.json`.
    private static func edit(_ file: String, _ key: String, _ value: String) throws {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let changed = text.replacing(try Regex("\"\(key)\" ?: ?[^,\n}]+"), with: "\"\(key)\": \(value)")
        try #require(changed != text, "no \(key) in \(file)")
        try changed.write(toFile: file, atomically: true, encoding: .utf8)
    }

    /// Sets the last weight to NaN.
    private static func poison(_ folder: String) throws {
        let url = URL(filePath: folder + "/model.safetensors")
        var bytes = try Data(contentsOf: url)
        bytes.replaceSubrange((bytes.count - 4)..., with: withUnsafeBytes(of: Float.nan) { Data($0) })
        try bytes.write(to: url)
    }

    private static let attacks: [(name: String, change: @Sendable (String) throws -> Void)] = [
        ("16 million layers", { try edit($0 + "/config.json", "num_hidden_layers", "16000000") }),
        ("vocabulary of one token", { try edit($0 + "/config.json", "vocab_size", "1") }),
        ("three positions", { try edit($0 + "/config.json", "max_position_embeddings", "3") }),
        ("invalid longest position", { try edit($0 + "/training_args.json", "longest_position", "\(Int.min)") }),
        ("a terabyte of weights", { _ = truncate($0 + "/model.safetensors", 1 << 40) }),
        ("a terabyte of tokenizer", { _ = truncate($0 + "/tokenizer.json", 1 << 40) }),
        ("NaN weights", { try poison($0) }),
        (
            "deep nesting",
            { try Data(String(repeating: "[", count: 1 << 20).utf8).write(to: URL(filePath: $0 + "/tokenizer.json")) }
        ),
        (
            "a pipe",
            {
                try FileManager.default.removeItem(atPath: $0 + "/config.json")
                try #require(mkfifo($0 + "/config.json", 0o644) == 0)
            }
        ),
        (
            "a device",
            {
                try FileManager.default.removeItem(atPath: $0 + "/merges.txt")
                try #require(symlink("/dev/zero", $0 + "/merges.txt") == 0)
            }
        ),
    ]

    @Test("Hostile models are rejected, and the service keeps answering")
    func rejectsHostileModels() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 60))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        func answer() throws -> InferenceInterface.FillMask.Reply {
            try service.client().call(InferenceInterface.FillMask.self, .init(text: "the old <mask>"))
        }
        let before = try answer()
        let models = service.folder + "/models/kantaibert/"
        // The first generation was evaluated as well, because its run defines the held-out text.
        let verdict = try String(contentsOfFile: models + "1/promotion.json", encoding: .utf8)
        #expect(verdict.contains("bits per byte on held-out text"), "\(verdict)")
        #expect(FileManager.default.fileExists(atPath: models + "1/.checked"))

        for (name, change) in Self.attacks {
            let source = service.folder + "/hostile"
            try? FileManager.default.removeItem(atPath: source)
            try FileManager.default.copyItem(atPath: models + "1", toPath: source)
            for mark in try FileManager.default.contentsOfDirectory(atPath: source) where mark.hasPrefix(".") {
                try FileManager.default.removeItem(atPath: source + "/" + mark)
            }
            try change(source)
            // Check it directly.
            let check = try Programs.run("kantaibert-train", ["check", source])
            #expect(check.status == 65 && check.output.contains("\"failed\""), "\(name): \(check)")
            // Import it.
            let imported = try service.kbctl("import", source, "--model", "kantaibert")
            #expect(imported.status != 0, "\(name): \(imported)")
            // Promote it as a generation of the service.
            try FileManager.default.moveItem(atPath: source, toPath: models + "7")
            #expect(throws: (any Error).self, "\(name)") {
                try service.client().call(ManagerInterface.Promote.self, .init(model: "kantaibert", generation: 7))
            }
            try FileManager.default.removeItem(atPath: models + "7")
            #expect(service.isRunning, "\(name)")
            #expect(try answer() == before, "\(name)")
        }
        // Temporary folders are deleted.
        let left = try FileManager.default.contentsOfDirectory(atPath: service.folder + "/models")
        #expect(left == ["kantaibert"], "\(left)")
        #expect(try service.stop().status == 0)
    }

    /// The service must start, but must not serve a generation that was changed while it was stopped.
    @Test("A damaged serving model is detected at the next start")
    func detectsDamagedModelAtStart() throws {
        let service = try RunningService(settings: GateTests.settings(steps: 60))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        #expect(try service.stop().status == 0)
        try Self.poison(service.folder + "/models/kantaibert/1")
        try service.start()
        #expect(throws: (any Error).self) {
            try service.client().call(InferenceInterface.FillMask.self, .init(text: "the old <mask>"))
        }
        #expect(service.logText.contains("not finite"), "\(service.logText)")
        #expect(try service.stop().status == 0)
    }
}
