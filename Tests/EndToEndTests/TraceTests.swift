import Foundation
import Glibc
import Interface
import TestSupport
import Testing

/// Where answers come from: the text of the corpora, to those who may see it.
@Suite(
    "Tracing answers", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct TraceTests {
    static let settings = """
        models: [assistant]
        assistant:
          objective: clm
          preset: tiny
        schedule:
          settle: 1s
        """

    /// Trains a model on a text and returns the corpus.
    static func trained(_ service: RunningService, on text: String) throws -> String {
        let events = try service.watch()
        try service.drop("grammar.txt", text.utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        _ = try events.first("generation_serves")
        return sha256
    }

    @Test("Answers are traced to the lines of the corpus, and words are found as often as grep finds them")
    func findsLinesOfTheCorpus() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        let text = Grammar.text(lines: 3000, seed: 1)
        let sha256 = try Self.trained(service, on: text)
        let index = "\(service.folder)/search/\(sha256)"
        #expect(!FileManager.default.fileExists(atPath: index))

        let asked = try service.kbctl("ask", "the wise judge", "--temperature", "0", "--why")
        #expect(asked.status == 0, "\(asked)")
        #expect(asked.output.contains("words) occurs verbatim") && asked.output.contains("grammar.txt:"), "\(asked)")
        #expect(FileManager.default.fileExists(atPath: index))

        // A line of the corpus between words that are not in it.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let file = service.folder + "/answer.txt"
        try Data("Nowadays, \(lines[42]) Perhaps.".utf8).write(to: URL(filePath: file))
        let trace = try service.kbctl("trace", file, "--json").json(InferenceInterface.Trace.Reply.self)
        let longest = try #require(trace.spans.first)
        #expect(longest.passages.contains { $0.line == 43 }, "\(trace)")
        #expect(longest.passages.allSatisfy { $0.corpus == sha256 && $0.name == "grammar.txt" })
        #expect(trace.words == trace.verbatimWords + 2)

        for words in ["near the sea", "the wise judge keeps", "in spring"] {
            let found = try service.kbctl("find", words, "--case", "--limit", "1000", "--json").output
                .split(separator: "\n")
            let reply = try JSONDecoder().decode(
                InferenceInterface.Find.Reply.self, from: Data(try #require(found.first).utf8))
            let places = lines.enumerated().flatMap { number, line in
                line.components(separatedBy: words).dropFirst().map { _ in number + 1 }
            }
            #expect(reply.total == places.count, "\(words)")
            #expect(reply.passages.map(\.line) == Array(places.prefix(reply.passages.count)), "\(words)")
            #expect(reply.counts.map(\.count) == [places.count])
        }

        // A damaged index is built again.
        #expect(try service.stop().status == 0)
        #expect(truncate(index, 100) == 0)
        try service.start()
        #expect(try service.kbctl("find", "near the sea").output.contains("grammar.txt:"))
        #expect(service.logText.contains("the search index of a corpus is built again"))

        // What was removed is not shown, also by generations that were trained on it.
        #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
        let removed = try service.kbctl("find", "near the sea")
        #expect(removed.status == EX_DATAERR && removed.output.isEmpty)
        #expect(removed.error.contains("all corpora that it was trained on were removed"), "\(removed)")
        #expect(!FileManager.default.fileExists(atPath: index))
        _ = try service.stop()
    }

    @Test("The setting serving.trace is applied when the settings are reloaded, and off refuses everyone")
    func settingTurnsTracingOff() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        _ = try Self.trained(service, on: Grammar.text(lines: 300, seed: 2))
        #expect(try service.kbctl("find", "the").status == 0)
        try service.reload(settings: Self.settings + "\nserving:\n  trace: off")
        #expect(service.notified("RELOADING=1") && service.notified("READY=1"), "\(service.logText)")
        for command in [["find", "the"], ["ask", "the", "--why"]] {
            let refused = try Programs.run("kbctl", command + ["--socket", service.socket])
            #expect(refused.status == EX_CONFIG && refused.error.contains("serving.trace is off"), "\(refused)")
        }
        _ = try service.stop()
    }

    @Test("Of several users, only administrators are shown text of the corpora by default", .needsRoot)
    func textIsForAdministratorsAsRoot() throws {
        let socket = """

            socket:
              group: \(AccessTests.connects)
              admin_group: \(AccessTests.administers)
            """
        let service = try RunningService(settings: Self.settings + socket)
        try service.start()
        _ = try Self.trained(service, on: Grammar.text(lines: 300, seed: 3))
        let member = [AccessTests.connects]
        #expect(try AccessTests.kbctl(service, groups: member, ["ask", "the"]).status == 0)
        for command in [["find", "the"], ["ask", "the", "--why"]] {
            let refused = try AccessTests.kbctl(service, groups: member, command)
            #expect(refused.status == EX_NOPERM, "\(refused)")
            #expect(refused.error.contains("only root or a member of the group games"), "\(refused)")
            #expect(!refused.output.contains("grammar.txt"))
        }
        let admin = try AccessTests.kbctl(service, groups: member + [AccessTests.administers], ["find", "the"])
        #expect(admin.status == 0 && admin.output.contains("grammar.txt:"), "\(admin)")
        try service.reload(settings: Self.settings + socket + "\nserving:\n  trace: everyone")
        #expect(service.notified("RELOADING=1") && service.notified("READY=1"), "\(service.logText)")
        #expect(try AccessTests.kbctl(service, groups: member, ["find", "the"]).status == 0)
        _ = try service.stop()
    }
}
