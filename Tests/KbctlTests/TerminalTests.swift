import FoundationEssentials
import Interface
import Testing

/// What is for a terminal alone: `chat` and `watch`, typed on and read as somebody would.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built beside the tests"))
struct TerminalTests {
    @Test func chatEditsItsLineAndBringsBackEarlierOnes() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket)
            try session.expect("> ")
            // A letter that is forgotten, put in by going back; a word too many, taken away again.
            session.type("echo helo\u{1B}[Dl\u{05} world\u{17}\u{7F}\r")
            try session.expect("[echo hello]")
            try session.expect("> ")
            session.type("\u{1B}[A again\r")
            // The model is given what was said before, too.
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

    @Test func chatEditsWhatIsWiderThanALetter() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket, columns: 30)
            try session.expect("> ")
            session.type("echo 理性x")
            try session.expect("x")
            session.type("\u{1B}[D\u{1B}[D\u{7F}")
            // Back over the wide character behind the cursor, and the letter: three columns.
            try session.expect("性x\u{1B}[3D")
            session.type("é\u{301}\r")
            try session.expect("[echo é\u{301}性x]")
            // Before the prompt it is the terminal's, not the line's.
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
        }
    }

    @Test func watchingNothingSaysSo() async throws {
        try await Canned.serving(statuses: [Canned.status(run: nil)]) { socket in
            let session = try TerminalSession(["watch"], socket: socket)
            try session.expect("no run is under way, 2 in the inbox")
            session.type("\u{03}")
            _ = session.end()
        }
    }

    /// Another run than the one that is watched is a run all the same.
    @Test func watchingAnotherRunDoesNotSayThereIsNone() async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["watch", "kantaibert-1"], socket: socket)
            try session.expect("validation loss")
            session.type("\u{03}")
            _ = session.end()
            #expect(!session.output.contains("no run"), "\(session.output)")
        }
    }

    @Test func controlCEndsAnAnswerAndNotTheTalk() async throws {
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

    @Test func watchGrowsATableOverItsBar() async throws {
        try await Canned.serving(statuses: Canned.untilServed) { socket in
            let session = try TerminalSession(["watch", "--exit-when-served"], socket: socket, columns: 100)
            // What the run has behind it, then what happens.
            try session.expect("step  training loss  validation loss\r\n")
            try session.expect("100         6.5000           6.4000\r\n")
            try session.expect("assistant ━")
            try session.expect("219/3216 · 6 % · 01:05 left")
            try session.expect("219         5.2500           5.1000\r\n")
            #expect(session.end() == 0)
            #expect(session.output.hasSuffix("\r\u{1B}[2K"), "the bar is gone at the end")
        }
    }
}
