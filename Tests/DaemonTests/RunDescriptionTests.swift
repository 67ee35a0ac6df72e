import Daemon
import FoundationEssentials
import Interface
import Jobs
import Database
import Testing
import Varlink

/// `DescribeRun` and `PreviewCorpus`.
@Suite final class RunDescriptionTests {
    private let directory = StateDirectory(
        root: FileManager.default.temporaryDirectory.path + "/described-\(UUID().uuidString)")
    private let store: StateStore

    init() throws {
        try directory.prepare(models: ["m"])
        store = try StateStore(path: directory.metrics)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory.root) }

    private let job = Job(
        run: "m-1", model: "m", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
        recipe: RecipeName.default.recipe(for: .mlm), corpora: [], samples: .lines, filters: [], tokenizer: nil,
        wordCountsDirectory: nil, runDirectory: "/r", outputDirectory: "/o")

    private func sha(_ number: Int) -> String { String(repeating: "0", count: 60) + "\(1000 + number)" }

    @Test func settingsAreThoseOfTheJobAndItsDecisions() throws {
        try store.save(RunRecord(id: "m-1", model: "m", generation: 1), corpora: [sha(1), sha(2)])
        try store.restore([
            CorpusRecord(sha256: sha(1), name: "a.txt", bytes: 5, documents: 1, state: .admitted),
            CorpusRecord(sha256: sha(2), name: "b.txt", bytes: 7, documents: 1, state: .admitted),
            CorpusRecord(sha256: sha(2), name: "again.txt", bytes: 7, documents: 1, state: .duplicate),
        ])
        let folder = directory.run("m-1")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try JobCoding.encode(job).write(to: URL(filePath: directory.job(of: "m-1")))
        try Data(#"{"precision": "float32"}"#.utf8).write(to: URL(filePath: "\(folder)/decisions.json"))
        let reply = try RunDescription(directory: directory, metrics: store).reply("m-1")
        #expect(
            reply.corpora.map(\.name) == ["a.txt", "again.txt"] && reply.corporaCount == 2 && reply.corporaBytes == 12)
        let settings = try #require(reply.settings)
        #expect(settings["recipe"]?["seed"] == 1 && settings["decisions"]?["precision"] == "float32")
        #expect(settings["run_directory"] == nil && settings["corpora"] == nil)
    }

    @Test func settingsOfARemovedRunAreThoseOfItsGeneration() throws {
        try store.save(RunRecord(id: "m-1", model: "m", generation: 3))
        let description = RunDescription(directory: directory, metrics: store)
        #expect(try description.reply("m-1").settings == nil)
        let folder = directory.generation(3, of: "m")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (run, isFound) in [("m-1", true), ("m-0", false)] {
            try Data(#"{"run": "\#(run)", "recipe": {"seed": 9}}"#.utf8)
                .write(to: URL(filePath: "\(folder)/training_args.json"))
            #expect(try description.reply("m-1").settings?["recipe"]?["seed"] == (isFound ? 9 : nil))
        }
        #expect(throws: ManagerInterface.RunNotFound(run: "none")) { try description.reply("none") }
    }

    @Test func previewEndsWithAWholeCharacter() throws {
        let text = String(repeating: "a", count: 4095) + "é and more"
        try store.restore([
            CorpusRecord(sha256: sha(1), name: "a.txt", bytes: text.utf8.count, documents: 1, state: .admitted)
        ])
        try Data(text.utf8).write(to: URL(filePath: "\(directory.corpus)/\(sha(1))"))
        let reply = try CorpusPreview.read(sha(1), directory: directory, metrics: store)
        #expect(reply.text == String(repeating: "a", count: 4095) && reply.bytes == text.utf8.count)
        for name in [sha(2), "../metrics.db", ""] {
            #expect(throws: ManagerInterface.CorpusNotFound(sha256: name)) {
                try CorpusPreview.read(name, directory: directory, metrics: store)
            }
        }
    }
}
