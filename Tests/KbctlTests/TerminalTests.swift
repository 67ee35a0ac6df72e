import FoundationEssentials
import Interface
import Testing

/// Tests `chat` and `watch` on a terminal.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct TerminalTests {
    @Test func chatEditsLinesAndRecallsEarlierOnes() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("> ")
            // Moves back to insert a missing letter, then deletes a superfluous word.
            session.type("echo helo\u{1B}[Dl\u{05} world\u{17}\u{7F}\r")
            try session.expect("[echo hello]")
            try session.expect("> ")
            session.type("\u{1B}[A again\r")
            // The prompt includes the session so far.
            try session.expect("[echo hello\r\n[echo hello]\r\necho hello again]")
            try session.expect("> ")
            session.type("/new\r")
            try session.expect("> ")
            session.type("\u{1B}[A\u{1B}[A\r")
            try session.expect("[echo hello again]")
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    @Test func chatEditsWideAndCombiningCharacters() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket, columns: 30)
            try session.expect("> ")
            session.type("echo 理性x")
            try session.expect("x")
            session.type("\u{1B}[D\u{1B}[D\u{7F}")
            // The cursor moves back over the wide character and the letter: three columns.
            try session.expect("性x\u{1B}[3D")
            session.type("é\u{301}\r")
            try session.expect("[echo é\u{301}性x]")
            // Input typed before the prompt would be handled by the terminal, not by the line editor.
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    /// Pasted line ends do not send the lines before them.
    @Test func chatSendsPastedLinesAsOneMessage() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("\u{1B}[?2004h")
            try session.expect("> ")
            session.type("echo \u{1B}[200~one\r\ntwo\r\u{03}\u{7F}\u{1B}[Athree\u{1B}[201~!\u{1B}[D\u{1B}[D\u{7F}")
            try session.expect("> echo one↵two↵thre!\u{1B}[2D")
            session.type("\u{7F}\r")
            try session.expect("\u{1B}[?2004l")
            try session.expect("[echo one\r\ntwo\r\nthe!]")
            try session.expect("> ")
            // A long line is edited as fast as a short one.
            session.type("echo \u{1B}[200~" + String(repeating: "0123456789", count: 300) + "\u{1B}[201~ end\r")
            try session.expect("end]")
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    @Test func chatDoesNotSendUnknownCommands() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("> ")
            session.type("/echo a\r")
            try session.expect("there is no command ‘/echo’; /help lists them")
            try session.expect("> ")
            session.type("//echo a\r")
            try session.expect("[/echo a]")
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    @Test func chatConversesWithAModelThatReplies() async throws {
        try await Canned.serving(conversations: true) { socket in
            let session = try TerminalSession(["chat"], socket: socket, columns: 120)
            try session.expect("helper replies to you")
            try session.expect("> ")
            session.type("Where?\r")
            try session.expect("You said user: Where?")
            try session.expect("> ")
            session.type("/system Be kind.\r")
            try session.expect("> ")
            session.type("Why?\r")
            try session.expect(
                "You said system: Be kind. | user: Where? | assistant: You said user: Where? | user: Why?")
            try session.expect("> ")
            let path = FileManager.default.temporaryDirectory.appending(path: "chat-\(UUID().uuidString).jsonl").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            session.type("/save \(path)\r")
            try session.expect("saved in")
            try session.expect("> ")
            session.type("/save \(path)\r")
            try session.expect("cannot be written: File exists")
            try session.expect("> ")
            session.type("/new\r")
            try session.expect("> ")
            session.type("Again\r")
            try session.expect("You said user: Again")
            try session.expect("> ")
            session.type("/exit\r")
            #expect(session.end() == 0)
            let saved = try String(contentsOfFile: path, encoding: .utf8)
            #expect(saved.hasPrefix(#"{"messages":["#) && saved.contains(#""content":"Be kind.""#), "\(saved)")
        }
    }

    @Test func watchSaysThatNoRunIsInProgress() async throws {
        try await Canned.serving(statuses: [Canned.status(run: nil)]) { socket in
            let session = try TerminalSession(["watch"], socket: socket)
            try session.expect("no run is in progress, 2 in the inbox")
            session.type("\u{03}")
            _ = session.end()
        }
    }

    /// A run other than the watched one still counts as a run.
    @Test func watchDoesNotDenyARunThatIsNotWatched() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["watch", "kantaibert-1"], socket: socket)
            try session.expect("validation loss")
            // Below the line of its evaluation, without escape sequences of the model.
            try session.expect("          I think")
            #expect(!session.output.contains("\u{1B}[2J"))
            session.type("\u{03}")
            _ = session.end()
            #expect(!session.output.contains("no run"), "\(session.output)")
        }
    }

    @Test func controlCStopsAnAnswerButNotTheSession() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("> ")
            session.type("slow\r")
            try session.expect("still")
            session.type("\u{03}")
            try session.expect("^C")
            try session.expect("> ")
            session.type("given up\u{03}")
            try session.expect("^C")
            session.type("echo\r")
            try session.expect("echo]")
            session.type("/quit\r")
            #expect(session.end() == 0)
        }
    }

    @Test func watchHidesTheProgressBarWhenItsRunEnds() async throws {
        try await Canned.serving(statuses: Canned.untilServed) { socket in
            let session = try TerminalSession(
                ["watch", Canned.run.id, "--exit-when-served"], socket: socket, columns: 100)
            try session.expect("kantaibert-2 has ended\r\n")
            try session.expect("assistant-1 has ended\r\n")
            #expect(session.end() == 0)
            let ends = session.output.components(separatedBy: " has ended\r\n")
            try #require(ends.count == 3)
            #expect(ends[1].contains("assistant ━"), "the end of another run hid the progress bar")
            #expect(!ends[2].contains("━"), "the progress bar of a run that ended was drawn")
        }
    }

    @Test func watchPrintsATableAboveItsProgressBar() async throws {
        try await Canned.serving(statuses: Canned.untilServed) { socket in
            let session = try TerminalSession(["watch", "--exit-when-served"], socket: socket, columns: 100)
            // Past evaluations first, then new events.
            try session.expect("step  training loss  validation loss\r\n")
            try session.expect("100         6.5000           6.4000\r\n")
            try session.expect("assistant ━")
            try session.expect("219/3216 · 6 % · 01:05 left")
            try session.expect("219         5.2500           5.1000\r\n")
            #expect(session.end() == 0)
            #expect(session.output.hasSuffix("\r\u{1B}[2K"), "the progress bar was not erased at the end")
        }
    }
}
