import FoundationEssentials
import Glibc
import Interface
import Testing

/// `kbctl find`, `trace`, `ask --why` and `fill --contexts`.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct SearchTests {
    @Test func wordsAreInOneColumnOfTheScreen() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["find", "pure", "reason"], socket: socket, columns: 80)
            #expect(result.status == 0, "\(result)")
            let lines = Screen.lines(result.output).filter { $0.contains("pure reason") }
            #expect(lines.count == 3)
            let columns = lines.map { line in
                Screen.widest(String(line[..<line.firstRange(of: "pure reason")!.lowerBound]) + "|")
            }
            #expect(Set(columns).count == 1, "\(lines)")
            #expect(lines[0].hasPrefix("critique.txt:1204"))
            // Neither escape sequences nor marks that reverse the direction of the text reach the terminal.
            #expect(!result.output.contains("\u{1B}[2J") && !result.output.contains("\u{202E}"))
            #expect(result.output.contains("02E}c"), "the end of an escaped mark")
        }
    }

    @Test func linesForProgramsHaveTabs() async throws {
        try await Canned.serving { socket in
            let lines = try KbctlProcess.run(["find", "pure", "reason"], socket: socket).output.split(separator: "\n")
            #expect(lines.count == 3)
            for line in lines { #expect(line.split(separator: "\t", omittingEmptySubsequences: false).count == 4) }
            #expect(lines[0].hasPrefix("critique.txt:1204\tis called"))
            #expect(
                lines[0].hasSuffix(
                    "\tpure reason\t itself, but which it cannot answer, as they transcend every faculty"))
        }
    }

    @Test func findsAsManyPlacesAsAreWanted() async throws {
        try await Canned.serving { socket in
            let two = try KbctlProcess.run(["find", "pure", "--limit", "2"], socket: socket)
            #expect(two.output.split(separator: "\n").count == 2)
            #expect(two.errors.contains("2 of 3 places in 3 corpora, 1.8 MB; --limit shows more"), "\(two.errors)")
            #expect(two.errors.contains("2  critique.txt, received "))
            #expect(two.errors.contains("1 of the corpora that the model was trained on was removed since"))
            let json = try KbctlProcess.run(["find", "pure", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(InferenceInterface.Find.Reply.self, from: Data(json.output.utf8))
            #expect(reply.passages == Canned.passages && reply.searched == Canned.searchedText)
            #expect(try KbctlProcess.run(["find", "pure", "--limit", "0"], socket: socket).status == EX_USAGE)
            let none = try KbctlProcess.run(["find", "none"], socket: socket)
            #expect(none.status == 0 && none.output.isEmpty && none.errors.contains("0 places"))
        }
    }

    @Test func waitsForTheIndex() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["find", "indexing"], socket: socket, columns: 80)
            #expect(result.status == 0 && result.output.contains("pure reason"))
            #expect(result.errors.contains("indexing the corpora: 1.0 MB of 4.0 MB"), "\(result.errors)")
        }
    }

    @Test func answersAreTraced() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["ask", "I am", "--why"], socket: socket)
            #expect(result.status == 0, "\(result)")
            #expect(result.output.contains("67 % of it (6 of 9 words) occurs verbatim"), "\(result.output)")
            #expect(result.output.contains("1,234×") && result.output.contains("critique.txt:1204\t"))
            #expect(result.output.contains("and 1 more"))
            let lines = try KbctlProcess.run(["ask", "I am", "--why", "--json"], socket: socket).output
                .split(separator: "\n")
            #expect(lines.count == 2)
            #expect(
                try JSONDecoder().decode(InferenceInterface.Trace.Reply.self, from: Data(lines[1].utf8)).words == 9)
        }
    }

    @Test func filesAreTraced() async throws {
        try await Canned.serving { socket in
            let path = "/tmp/kbctl-trace-\(UUID().uuidString).txt"
            defer { unlink(path) }
            try Data("xpure reason".utf8).write(to: URL(filePath: path))
            let file = try KbctlProcess.run(["trace", path], socket: socket)
            #expect(file.status == 0 && file.output.contains("“pure reason”"), "\(file)")
            let input = try KbctlProcess.run(
                ["trace", "-"], socket: socket, input: .bytes(Array("xpure reason\n".utf8)))
            #expect(input.output == file.output)
            try Data([0x61, 0xFF]).write(to: URL(filePath: path))
            #expect(try KbctlProcess.run(["trace", path], socket: socket).status == EX_DATAERR)
            #expect(try KbctlProcess.run(["trace", "/none/file"], socket: socket).status == EX_NOINPUT)
        }
    }

    @Test func predictionsHaveContexts() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["fill", "human <mask>.", "--contexts"], socket: socket)
            #expect(result.status == 0, "\(result)")
            #expect(result.output.contains("“human reason.” 0×; 2× with 3 words before and 1 after it"))
            #expect(result.output.contains("critique.txt:1204\t"))
        }
    }

    @Test func chatExplainsTheLastAnswer() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("> ")
            session.type("/why\r")
            try session.expect("there is no answer yet")
            try session.expect("> ")
            session.type("hello\r")
            try session.expect("user.")
            try session.expect("> ")
            session.type("/why\r")
            try session.expect("occurs verbatim")
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    @Test(arguments: [
        (["trace", "-", "-m", "off"], EX_CONFIG, "serving.trace is off"),
        (["trace", "-", "-m", "guarded"], EX_NOPERM, "only root or a member of the group games"),
        (["trace", "-", "-m", "imported"], EX_DATAERR, "generation 1 was not trained here"),
        (["find", "("], EX_USAGE, "the group is not closed"),
    ])
    func refusalsSayWhatToDo(arguments: [String], status: Int32, message: String) async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(arguments, socket: socket)
            #expect(result.status == status, "\(result)")
            #expect(result.errors.contains(message), "\(result.errors)")
        }
    }
}
