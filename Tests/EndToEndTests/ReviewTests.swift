import Foundation
import Interface
import Testing
import Varlink

/// The lines of a corpus that a model finds unexpected.
@Suite(
    "Reviews", .serialized, .timeLimit(.minutes(15)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct ReviewTests {
    @Test("kbctl review lists a line of a wrong encoding among the first, and no line of a removed corpus")
    func listsUnexpectedLines() throws {
        let service = try RunningService(
            settings: InboxAdversityTests.settings.replacing(
                "models: [kantaibert]", with: "models: [kantaibert, assistant]"))
        try service.serve("clm", as: "assistant")
        try service.start()
        let events = try service.watch()
        var lines = Grammar.text(lines: 400, seed: 3).split(separator: "\n").map(String.init)
        lines[123] += " Ã¼Ã¤Ã¶â‚¬â€œÃ©Ã¨"
        try service.drop("a.txt", (lines.joined(separator: "\n") + "\n").utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)

        let shown = try service.kbctl("review", "a.txt", "-l", "3", "-m", "assistant")
        #expect(shown.status == 0, "\(shown)")
        let listed = shown.output.split(separator: "\n").map { $0.drop { $0 == " " } }
        #expect(listed.contains { $0.hasPrefix("124 ") && $0.contains("Ã") }, "\(shown.output)")
        #expect(shown.output.contains("all 400 lines were read"))

        let replies = try service.client().callMore(
            InferenceInterface.Review.self, .init(corpus: sha256, model: "assistant", limit: 1000))
        var last: InferenceInterface.Review.Reply?
        while let reply = try replies.next() { last = reply }
        let reply = try #require(last)
        let found = try #require(reply.lines)
        #expect(found.count == 400 && Set(found.map(\.line)) == Set(1...400) && !reply.isSample)
        for line in found { #expect(line.text == lines[line.line - 1]) }
        // The whole line has the bits per byte that Score gives, except for the end of the text.
        let weird = try #require(found.first { $0.line == 124 })
        let score = try service.client().call(
            InferenceInterface.Score.self, .init(text: weird.text, model: "assistant", tokens: true))
        let bits = (score.tokenScores ?? []).dropLast().reduce(0) { $0 - ($1.logProbability ?? 0) / log(2) }
        #expect(abs(weird.bitsPerByte - bits / Double(weird.text.utf8.count)) < 1e-3)

        #expect(throws: VarlinkServiceError.expectedMore) {
            try service.client().call(InferenceInterface.Review.self, .init(corpus: sha256))
        }
        for limit in [0, 1001, Int.min] {
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "limit")) {
                let replies = try service.client().callMore(
                    InferenceInterface.Review.self, .init(corpus: sha256, limit: limit))
                _ = try replies.next()
            }
        }
        for wrong in ["", "../../lock", String(repeating: "0", count: 64), String(repeating: "x", count: 100_000)] {
            #expect(throws: InferenceInterface.CorpusNotFound.self) {
                let replies = try service.client().callMore(InferenceInterface.Review.self, .init(corpus: wrong))
                _ = try replies.next()
            }
        }
        #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
        let removed = try service.kbctl("review", sha256, "-m", "assistant")
        #expect(removed.status == 66 && removed.error.contains("there is no corpus"), "\(removed)")
        #expect(throws: InferenceInterface.CorpusNotFound(sha256: sha256)) {
            let replies = try service.client().callMore(InferenceInterface.Review.self, .init(corpus: sha256))
            _ = try replies.next()
        }
        #expect(try service.stop().status == 0)
    }
}
