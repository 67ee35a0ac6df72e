import Foundation
import Interface
import Testing
import Varlink

/// Passages near a text, of a model that was trained here.
@Suite(
    "Similar passages", .serialized, .timeLimit(.minutes(30)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct SimilarTests {
    @Test("kbctl similar finds a passage in its corpus, also after a restart, and none of a removed corpus")
    func findsPassages() throws {
        let service = try RunningService(
            settings: """
                models: [assistant]
                assistant:
                  preset: tiny
                  max_steps: 4
                  samples: lines
                inbox:
                  stable: 20ms
                schedule:
                  settle: 1s
                """)
        try service.start()
        let events = try service.watch()
        let lines = Grammar.text(lines: 600, seed: 3).split(separator: "\n").map(String.init)
        try service.drop("a.txt", (lines.joined(separator: "\n\n") + "\n\nA zebra crossed the river.\n").utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        _ = try events.first("generation_serves")

        func similar(_ text: String) throws -> InferenceInterface.Similar.Reply {
            let result = try service.kbctl("similar", text, "-l", "3", "--json")
            #expect(result.status == 0, "\(result)")
            return try result.json(InferenceInterface.Similar.Reply.self)
        }
        let exact = try similar(lines[123])
        let nearest = try #require(exact.byEmbedding.first)
        #expect(nearest.text == lines[123] && nearest.score > 0.99 && nearest.corpus == sha256)
        #expect(lines[(nearest.line - 1) / 2] == lines[123] && !exact.isSample)
        let zebra = try similar("zebra")
        #expect(zebra.byWords.map(\.text) == ["A zebra crossed the river."])

        #expect(try service.stop().status == 0)
        let file = "\(service.folder)/models/assistant/1/.passages"
        let changed = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
        try service.start()
        #expect(try similar(lines[123]).byEmbedding == exact.byEmbedding)
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date == changed)

        #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
        #expect(!FileManager.default.fileExists(atPath: file))
        let removed = try service.kbctl("similar", "zebra")
        #expect(removed.status != 0 && removed.error.contains("were removed"), "\(removed)")
        #expect(try service.stop().status == 0)
    }
}
