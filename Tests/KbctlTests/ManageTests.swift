import FoundationEssentials
import Glibc
import Interface
import Testing

/// The commands that change something, and those that list what is in force.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct ManageTests {
    private static func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let folder = "/tmp/kbctl-file-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(text.utf8).write(to: URL(filePath: folder + "/kant.txt"))
        try body(folder + "/kant.txt")
    }

    @Test(
        arguments: [
            ("admitted", 0, "kant.txt: admitted as abababababab\n  ! 3 bytes were replaced\n"),
            ("duplicate", 0, "kant.txt: duplicate: the same text was admitted before, as abababababab\n"),
            ("rejected", 65, "kant.txt: rejected: it is no text\n"),
            ("waiting", 75, "kant.txt: waits in the inbox and is tried again: it is no text\n"),
        ] as [(String, Int32, String)])
    func putTellsWhatBecomesOfAFile(_ state: String, _ status: Int32, _ output: String) async throws {
        try await Canned.serving { socket in
            try Self.withFile("a text \(state)") { path in
                let result = try KbctlProcess.run(["put", path], socket: socket)
                #expect(result.status == status && result.output == output && result.errors == "", "\(result)")
                let named = try KbctlProcess.run(["put", path, "-m", "assistant", "--json"], socket: socket)
                let reply = try JSONDecoder().decode(ManagerInterface.Received.self, from: Data(named.output.utf8))
                #expect(reply.name == "assistant/kant.txt" && reply.state.rawValue == state)
                let unread = try KbctlProcess.run(["put", path, "--no-wait"], socket: socket)
                #expect(unread.status == 0 && unread.output == "kant.txt: added to the inbox\n", "\(unread)")
            }
        }
    }

    @Test func putSendsNothingIfOneOfTheFilesCannotBeRead() async throws {
        try await Canned.serving { socket in
            try Self.withFile("a text") { path in
                for (other, message) in [
                    ("/none", "/none cannot be read: No such file or directory"),
                    ("/tmp", "/tmp is a directory; name the files in it"),
                    ("/dev/null", "/dev/null is not a regular file"),
                ] {
                    let result = try KbctlProcess.run(["put", path, other], socket: socket)
                    #expect(
                        result.status == 66 && result.output == "" && result.errors == "kbctl: \(message)\n",
                        "\(result)")
                }
            }
        }
    }

    @Test(arguments: [40, 80] as [UInt16])
    func progressOfPutFitsTheScreen(columns: UInt16) async throws {
        try await Canned.serving { socket in
            try Self.withFile(String(repeating: "a text of many megabytes ", count: 400_000) + "admitted") { path in
                let result = try KbctlProcess.run(["put", path], socket: socket, columns: columns)
                #expect(result.status == 0)
                for line in result.output.split(whereSeparator: { $0 == "\n" || $0 == "\r" }) {
                    let text = line.split(separator: "\u{1B}[2K").last ?? ""
                    #expect(text.count <= Int(columns), "\(line)")
                }
                #expect(result.output.contains("10.0 MB") && result.output.contains("admitted as"), "\(result.output)")
            }
        }
    }

    @Test func pauseAndResumeSayWhatTheyDid() async throws {
        try await Canned.serving { socket in
            let all = try KbctlProcess.run(["pause"], socket: socket)
            #expect(
                all.output
                    == "the training of kantaibert, assistant is paused; assistant-1 writes a checkpoint and stops; "
                    + "‘kbctl resume’ continues it\n")
            let again = try KbctlProcess.run(["pause", "kantaibert"], socket: socket)
            #expect(again.output == "training was paused before; ‘kbctl resume kantaibert’ continues it\n")
            #expect(
                try KbctlProcess.run(["resume"], socket: socket).output == "the training of assistant is resumed\n")
            #expect(
                try KbctlProcess.run(["resume", "kantaibert"], socket: socket).output
                    == "the training of kantaibert is not paused\n")
        }
    }

    @Test func pausedModelsAreShownAsSuch() async throws {
        var models = Canned.models
        models[0].paused = true
        models[1].state = .waiting
        models[1].paused = true
        models[1].reason = "training is paused; assistant-1 waits"
        var run = Canned.run
        run.state = .interrupted
        var status = Canned.status(models: models, run: nil, inboxPending: 0)
        status.queued = [run]
        let statuses = [status]
        try await Canned.serving(statuses: statuses) { socket in
            let shown = try KbctlProcess.run(["status"], socket: socket, columns: 80).output
            #expect(shown.split(separator: "\n").count { $0.contains(" paused ") } == 2, "\(shown)")
            #expect(shown.contains("assistant: training is paused; assistant-1 waits"), "\(shown)")
            let watched = try KbctlProcess.run(["watch", "--exit-when-served"], socket: socket)
            #expect(watched.status == 75 && watched.errors.contains("‘kbctl resume assistant’"), "\(watched)")
        }
    }

    @Test func removingAGenerationIsConfirmed() async throws {
        try await Canned.serving { socket in
            let asked = try KbctlProcess.run(["rm", "kantaibert", "4"], socket: socket)
            #expect(asked.status == 64 && asked.errors.contains("confirm it with --yes"), "\(asked)")
            let removed = try KbctlProcess.run(["rm", "kantaibert", "4", "--yes"], socket: socket)
            #expect(removed.status == 0 && removed.output == "generation 4 of kantaibert is removed\n", "\(removed)")
            let serving = try KbctlProcess.run(["rm", "kantaibert", "3", "-y"], socket: socket)
            #expect(serving.status == 65 && serving.errors.contains("it serves; promote another one first"))
            for (answer, expected) in [
                ("n\r", "nothing was removed"), ("y\r", "generation 4 of kantaibert is removed"),
            ] {
                let session = try TerminalSession(["rm", "kantaibert", "4"], socket: socket, columns: 120)
                try session.expect("rejected, created 2 h 05 min ago, 2.104 bits per byte")
                try session.expect("[y/N] ")
                session.type(answer)
                try session.expect(expected)
                _ = session.end()
            }
            let none = try KbctlProcess.run(["rm", "kantaibert", "8"], socket: socket, input: .file("/dev/null"))
            #expect(none.status == 66, "\(none)")
        }
    }

    @Test func settingsSayWhereTheyComeFrom() async throws {
        try await Canned.serving { socket in
            let lines = try KbctlProcess.run(["settings"], socket: socket).output.split(separator: "\n").map {
                $0.split(separator: " ").joined(separator: " ")
            }
            #expect(
                lines.filter { !$0.hasPrefix("!") } == [
                    "KEY VALUE FROM", "schedule.settle 2s KANTAIBERT_SCHEDULE_SETTLE",
                    "inbox.stable 2s /etc/kantaibert/kantaibert.yaml:7", "kantaibert.preset kantaibert default",
                ])
            #expect(lines.contains { $0.hasPrefix("!") && $0.contains("restart") })
            let changed = try KbctlProcess.run(["settings", "--changed", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(
                ManagerInterface.GetSettings.Reply.self, from: Data(changed.output.utf8))
            #expect(reply.settings == Array(Canned.settings.prefix(2)))
            let one = try KbctlProcess.run(["settings", "inbox"], socket: socket)
            #expect(one.output.contains("inbox.stable") && !one.output.contains("settle"))
            #expect(try KbctlProcess.run(["settings", "inb"], socket: socket).status == 66)
        }
    }

    @Test func logsShowRecordedEventsInOrder() async throws {
        try await Canned.serving { socket in
            let texts = { (arguments: [String]) in
                try KbctlProcess.run(["logs", "--events"] + arguments, socket: socket).output.split(separator: "\n").map
                {
                    $0.split(separator: " ").suffix(2).joined(separator: " ")
                }
            }
            let all = (0...2).flatMap { number in ["error", "warning", "info"].map { "\($0) \(number)" } }
            #expect(try texts([]) == all.reversed())
            #expect(try texts(["-n", "4"]) == all.prefix(4).reversed())
            #expect(try texts(["-n", "0"]) == [])
            #expect(try texts(["--warnings"]) == all.filter { !$0.hasPrefix("info") }.reversed())
            let line = try KbctlProcess.run(["logs", "-n", "1"], socket: socket).output
            #expect(line.hasPrefix("2026-01-0") && line.hasSuffix(" ! error 0\n"), "\(line)")
        }
    }

    /// Every figure of another machine is in docs/performance.md.
    @Test func benchComparesWithDocumentedMachines() async throws {
        let documentation = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(
                path: "../../docs/performance.md"), encoding: .utf8)
        try await Canned.serving { socket in
            let output = try KbctlProcess.run(["bench"], socket: socket).output
            #expect(output.hasPrefix("AMD EPYC, 2 threads\n"))
            let rows = output.split(separator: "\n").filter { $0.contains("/s  ") }
            #expect(rows.count == 8, "\(output)")
            for row in rows {
                let figures = row.split(separator: " ").suffix(3).flatMap { $0.split(separator: "–") }
                for figure in figures {
                    let number = String(figure.filter { $0 != "," })
                    #expect(documentation.contains(number), "\(number) in \(row)")
                }
            }
            #expect(rows[0].split(separator: " ").suffix(4) == ["440", "437–451", "275", "–"])
            #expect(rows[6].contains("≈ 1,266"), "\(rows[6])")
            #expect(output.contains("kantaibert 3, 83,504,416 parameters, weights in int8: a mask in "), "\(output)")
            for columns in [80, 40] as [UInt16] {
                for line in try KbctlProcess.run(["bench"], socket: socket, columns: columns).output.split(
                    separator: "\n")
                {
                    #expect(line.count <= Int(columns), "\(line)")
                }
            }
        }
    }

    @Test func namesAreCompleted() async throws {
        try await Canned.serving { socket in
            for shell in ["bash", "zsh", "fish"] {
                let script = try KbctlProcess.run(["completion", shell], socket: socket).output
                #expect(script.contains("---completion"), "\(shell)")
            }
            func completed(_ words: String...) throws -> [Substring] {
                let result = try KbctlProcess.run(["---completion"] + words + [""], socket: socket)
                return result.output.split(separator: "\n")
            }
            // The name of the argument, the place of the word among the words, and that of the cursor in it.
            #expect(
                try completed("pause", "--", "positional@0", "2", "0", "kbctl", "pause") == ["kantaibert", "assistant"])
            #expect(try completed("run", "--", "positional@0", "2", "0", "kbctl", "run") == ["assistant-1"])
            #expect(
                try completed("promote", "--", "positional@1", "3", "0", "kbctl", "promote", "kantaibert")
                    == ["5", "4", "3"])
            // A service that does not answer has no names.
            let none = try KbctlProcess.run(
                ["---completion", "run", "--", "positional@0", "2", "0", "kbctl", "run", ""], socket: "/none/socket")
            #expect(none.output.split(separator: "\n").isEmpty && none.errors == "", "\(none)")
        }
    }

    @Test func rejectedValuesAreExplained() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["fill", "a <mask>", "--top-k", "0"], socket: socket)
            #expect(
                result.status == 64
                    && result.errors == "kbctl: the service rejected the value of ‘top_k’; accepted: at least 1\n",
                "\(result)")
        }
    }

    @Test func emptyTextIsNotScored() async throws {
        try await Canned.serving { socket in
            let empty = try KbctlProcess.run(["score", ""], socket: socket)
            #expect(empty.status == 65 && empty.errors == "kbctl: the text is empty: there is nothing to score\n")
            let tokens = try KbctlProcess.run(["tokenize", "a"], socket: socket)
            #expect(tokens.errors == "2 tokens of kantaibert, generation 3\n", "\(tokens)")
            #expect(try KbctlProcess.run(["tokenize", "a", "-m", "kantaibert"], socket: socket).errors == "")
            let scored = try KbctlProcess.run(["score", "a"], socket: socket)
            #expect(scored.output.hasPrefix("model           kantaibert, generation 3\n"), "\(scored)")
        }
    }
}
