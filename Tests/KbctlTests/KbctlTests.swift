import FoundationEssentials
import Interface
import Testing

@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct KbctlTests {
    @Test func askStreamsTextAndEscapesControlCharactersOnATerminal() async throws {
        try await Canned.serving { socket in
            let piped = try KbctlProcess.run(["ask", "I would like to assist"], socket: socket)
            #expect(piped.output == " the\u{1B}[2J user.\n")
            #expect(piped.status == 0)
            let shown = try KbctlProcess.run(["ask", "I would"], socket: socket, columns: 80)
            #expect(shown.output == " the\u{FFFD}[2J user.\n")
        }
    }

    @Test func readsTextFromStandardInput() async throws {
        try await Canned.serving { socket in
            for (input, text) in [
                ("echo a\nb\n", "echo a\nb"), ("echo a\r\n", "echo a"), ("echo a", "echo a"), ("echo\n\n", "echo\n"),
            ] {
                let result = try KbctlProcess.run(["ask", "-"], socket: socket, input: .bytes(Array(input.utf8)))
                #expect(result.output == "[\(text)]\n" && result.status == 0, "\(result)")
            }
            let filled = try KbctlProcess.run(["fill", "-"], socket: socket, input: .bytes(Array("a <mask>\n".utf8)))
            #expect(filled.output.contains("human reason."))
            for command in ["ask", "fill", "score", "embed", "tokenize"] {
                let wrong = try KbctlProcess.run([command, "-"], socket: socket, input: .bytes([0x61, 0xFF]))
                #expect(wrong.status == 65 && wrong.errors == "kbctl: standard input is not UTF-8\n", "\(wrong)")
            }
            let endless = try KbctlProcess.run(["ask", "-"], socket: socket, input: .file("/dev/zero"))
            #expect(endless.status == 65 && endless.errors.contains("longer than 64 MiB"), "\(endless)")
        }
    }

    @Test func globalOptionsMayPrecedeTheCommand() async throws {
        try await Canned.serving { socket in
            for words in [["--json", "--socket", socket, "models"], ["models", "--json", "--socket", socket]] {
                let result = try KbctlProcess.run(words, socket: "/none")
                let reply = try JSONDecoder().decode(
                    ManagerInterface.ListModels.Reply.self, from: Data(result.output.utf8))
                #expect(reply.models == Canned.models)
            }
            for words in [["--socket", socket, "corpora", "list"], ["corpora", "--socket", socket]] {
                #expect(try KbctlProcess.run(words, socket: "/none").status == 0)
            }
        }
    }

    @Test func emptyListsPrintAMessage() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["corpora", "--state", "duplicate"], socket: socket)
            #expect(result.output == "no corpora\n" && result.status == 0)
        }
    }

    @Test func scoresOfTokensAreListedOnlyOnRequest() async throws {
        try await Canned.serving { socket in
            let whole = try KbctlProcess.run(["score", "a"], socket: socket)
            #expect(whole.status == 0 && !whole.output.contains("</s>"))
            let listed = try KbctlProcess.run(["score", "--tokens", "a"], socket: socket)
            #expect(listed.status == 0 && listed.output.hasSuffix(whole.output), "\(listed)")
            #expect(listed.output.contains("BITS     ID  TOKEN") && listed.output.contains("1.78      5  longlong"))
            #expect(listed.output.contains("51999") && !listed.output.contains("\u{1B}"))
        }
    }

    @Test func terminalsShowSurpriseByColors() async throws {
        try await Canned.serving { socket in
            let text = try KbctlProcess.run(
                ["score", "--tokens", "colors"], socket: socket, columns: 40, variables: ["TERM=xterm"])
            #expect(text.status == 0)
            let lines = text.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            #expect(lines[0] == "The \u{1B}[36mlight \u{1B}[0m\u{1B}[33m理\u{1B}[0m\u{1B}[31m\u{FFFD}[2J dove\u{1B}[0m")
            #expect(lines[1] == "flies.")
            #expect(text.output.contains("bits 0–4 · \u{1B}[36m4–8\u{1B}[0m · \u{1B}[33m8–12\u{1B}[0m"))
            #expect(text.output.contains("end of text     2.00 bits"))
            for plain in [["TERM=xterm", "NO_COLOR=1"], ["TERM=dumb"]] {
                let table = try KbctlProcess.run(
                    ["score", "--tokens", "colors"], socket: socket, columns: 40, variables: plain)
                #expect(table.output.contains(" 5.00   7  light") && !table.output.contains("\u{1B}"), "\(table)")
            }
        }
    }

    @Test func similarPassagesAreListedOnceTheyAreEmbedded() async throws {
        try await Canned.serving { socket in
            let found = try KbctlProcess.run(["similar", "a", "-l", "2"], socket: socket)
            #expect(found.status == 0, "\(found)")
            #expect(
                found.output.hasPrefix(
                    "Nearest in the embedding of kantaibert\n  0.876  kant.txt:77\n    Thoughts without content"))
            #expect(found.output.contains("Nearest by words\n  none has a word in common with the text"))
            for note in [
                "50,000 passages were compared, a sample", "only its beginning was compared", "1 of the corpora",
            ] {
                #expect(found.errors.contains(note), "\(found.errors)")
            }
            let reply = try JSONDecoder().decode(
                InferenceInterface.Similar.Reply.self,
                from: Data(try KbctlProcess.run(["similar", "a", "--json"], socket: socket).output.utf8))
            #expect(reply.byEmbedding.count == 1 && reply.passages == 50_000)
        }
    }

    @Test func reviewListsUnexpectedLines() async throws {
        try await Canned.serving { socket in
            let named = try KbctlProcess.run(["review", "nnnnn-0.txt"], socket: socket)
            #expect(named.status == 0 && named.errors.isEmpty, "\(named)")
            #expect(named.output.contains("1234  81.0       3.46  Ã¼"))
            #expect(named.output.contains("a sample of 1,234 lines, spread over the corpus, was read"))
            #expect(named.output.contains("kantaibert 3:") && named.output.contains("on average 1.50 bits per byte"))
            let screen = try KbctlProcess.run(["review", "00000"], socket: socket, columns: 80)
            #expect(screen.output.contains("…") && screen.output.contains("Ã¼\\x1B[2J"), "\(screen)")
            #expect(screen.errors.contains("500 of 1,234 lines"))
            let one = try KbctlProcess.run(["review", "0", "-l", "1", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(InferenceInterface.Review.Reply.self, from: Data(one.output.utf8))
            #expect(reply.lines?.map(\.line) == [1234])
            #expect(try KbctlProcess.run(["review", "2"], socket: socket).output.hasPrefix("the corpus has no text\n"))
            for (name, status, text) in [
                ("none.txt", 66, "there is no corpus ‘none.txt’"), ("", 66, "there is no corpus ‘’"),
                ("1", 74, "cannot be read: its file is missing"),
            ] as [(String, Int32, String)] {
                let failure = try KbctlProcess.run(["review", name], socket: socket)
                #expect(failure.status == status && failure.errors.contains(text), "\(failure)")
            }
        }
    }

    @Test func embeddingsArePrintedAsJSON() async throws {
        try await Canned.serving { socket in
            for result in [
                try KbctlProcess.run(["embed", "a text"], socket: socket),
                try KbctlProcess.run(["embed", "-"], socket: socket, input: .bytes(Array("a text\n".utf8))),
            ] {
                let reply = try JSONDecoder().decode(
                    InferenceInterface.Embed.Reply.self, from: Data(result.output.utf8))
                #expect(reply.embeddings == [.init(embedding: [0.5, -0.25], tokens: 6)] && result.status == 0)
            }
        }
    }

    @Test func jsonOutputHasTheFieldsOfTheInterface() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["ask", "--json", "--max-new-tokens", "9", "I would"], socket: socket)
            let reply = try JSONDecoder().decode(
                InferenceInterface.Generate.Reply.self, from: Data(result.output.utf8))
            #expect(
                reply
                    == .init(
                        text: " the user.", finishReason: .stop, promptTokens: 4, generatedTokens: 9,
                        receipt: Canned.receipt))
            #expect(result.output.contains(#""finish_reason":"stop""#))
            #expect(result.output.split(separator: "\n").count == 1)
        }
    }

    @Test func tableColumnsAreAligned() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["fill", "human <mask>."], socket: socket)
            #expect(
                result.output == """
                     SCORE  TOKEN   TEXT
                    0.2500  reason  human reason.
                    0.1250  a line  human a line.

                    """)
            #expect(result.errors == "")
        }
    }

    @Test func fillSaysWhenItSawAPartOfTheText() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["fill", "far away, human <mask>."], socket: socket)
            #expect(result.status == 0 && result.errors.contains("was predicted from 10 tokens around it"))
        }
    }

    @Test func statusFitsTheScreen() async throws {
        try await Canned.serving { socket in
            let wide = try KbctlProcess.run(["status"], socket: socket)
            #expect(
                wide.output == """
                    kantaibertd 1.0, up 2 h 05 min

                    MODEL       KIND  STATE     GENERATION  AGE         BITS/BYTE  HELD OUT  PARAMETERS  NEXT TRAINING
                    kantaibert  mlm   idle               3  2 h 05 min      1.931    5.6123  83,504,416  –
                    assistant   clm   training           –  –                   –         –           –  –

                    assistant ━━───────────────────────────────────── 218/3216 · 6 % · 19:39 left · epoch 0.07 · \
                    loss 5.4321 · 1812 tokens/s
                    2 files in the inbox

                    """)
            for columns in [40, 60, 80, 100] as [UInt16] {
                let result = try KbctlProcess.run(["status"], socket: socket, columns: columns)
                for line in result.output.split(separator: "\n") {
                    #expect(line.count <= Int(columns), "\(line)")
                }
            }
        }
    }

    @Test(
        arguments: [
            (["ask", "-m", "none", "a"], 66, "there is no model ‘none’; the models are kantaibert, assistant"),
            (["ask", "-m", "new", "a"], 75, "the model ‘new’ cannot answer yet: training is queued"),
            (["fill", "a"], 65, "the text has no <mask> to fill"),
            (["train", "assistant"], 65, "the model ‘assistant’ was not trained: there are no corpora"),
            (
                ["ask", "-m", "kantaibert", "a"], 65,
                "kantaibert fills masks and cannot continue a text: use ‘kbctl fill -m kantaibert \"a <mask>\"’"
            ),
            (
                ["chat", "-m", "kantaibert"], 65,
                "kantaibert fills masks and cannot continue a text: use ‘kbctl fill -m kantaibert \"a <mask>\"’"
            ),
            (
                ["fill", "-m", "assistant", "a <mask>"], 65,
                "assistant continues texts and cannot fill masks: use ‘kbctl ask -m assistant TEXT’ or ‘kbctl chat’"
            ),
            (["cancel", "assistant-1"], 65, "assistant-1 is not in progress: its state is failed"),
            (["cancel", "assistant-9"], 66, "there is no run ‘assistant-9’; ‘kbctl runs’ lists them"),
        ] as [([String], Int32, String)])
    func errorsArePrintedAsOneLine(arguments: [String], status: Int32, message: String) async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(arguments, socket: socket)
            #expect(result.errors == "kbctl: \(message)\n")
            #expect(result.output == "")
            #expect(result.status == status)
        }
    }

    @Test func saysHowToStartAMissingService() throws {
        let result = try KbctlProcess.run(["status"], socket: "/none/socket")
        #expect(result.status == 69)
        #expect(result.errors.hasPrefix("kbctl: no service answers on /none/socket; start it with"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test func wrongUsageExitsWith64() throws {
        #expect(try KbctlProcess.run(["fill"], socket: "/none/socket").status == 64)
        #expect(try KbctlProcess.run(["--help"], socket: "/none/socket").status == 0)
    }

    @Test(
        arguments: [
            (["metricz"], "There is no command ‘metricz’; did you mean ‘kbctl metrics’?"),
            (["--socket", "/none", "--json", "stauts"], "There is no command ‘stauts’; did you mean ‘kbctl status’?"),
            (["frobnicate"], "There is no command ‘frobnicate’; ‘kbctl --help’ lists them"),
        ] as [([String], String)])
    func suggestsTheNearestCommand(arguments: [String], message: String) throws {
        let result = try KbctlProcess.run(arguments, socket: "/none/socket")
        #expect(result.status == 64 && result.errors.contains(message), "\(result)")
    }

    @Test func printsItsVersion() throws {
        let result = try KbctlProcess.run(["--version"], socket: "/none/socket")
        #expect(result.status == 0 && result.output.split(separator: ".").count == 3, "\(result)")
    }

    @Test func numbersThatJSONDoesNotHaveAreWrongUsage() throws {
        let result = try KbctlProcess.run(["ask", "--temperature", "nan", "a"], socket: "/none/socket")
        #expect(result.status == 64 && result.errors.contains("not a finite number"), "\(result)")
    }

    @Test func negativeNumbersAreValuesOfOptions() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["ask", "--temperature", "-1", "a"], socket: socket)
            #expect(result.status == 0, "\(result)")
        }
    }

    @Test func chatPrintsRepliesAsJSON() async throws {
        try await Canned.serving(conversations: true) { socket in
            let result = try KbctlProcess.run(
                ["chat", "--json"], socket: socket, input: .bytes(Array("Where?\nWhy?\n".utf8)))
            let replies = try result.output.split(separator: "\n").map {
                try JSONDecoder().decode(InferenceInterface.Chat.Reply.self, from: Data($0.utf8)).text
            }
            #expect(
                replies == [
                    "You said user: Where?",
                    "You said user: Where? | assistant: You said user: Where? | user: Why?",
                ], "\(result)")
        }
    }

    @Test func saysWhichTargetsAreNotTokens() async throws {
        try await Canned.serving { socket in
            let arguments = ["fill", "--target", "reason", "--target", "Vernunft", "a <mask>"]
            let result = try KbctlProcess.run(arguments, socket: socket)
            #expect(result.errors.contains("‘Vernunft’ is not a token of kantaibert"), "\(result)")
            #expect(!result.errors.contains("‘reason’"), "\(result)")
        }
    }

    /// Columns without values are dropped before a name is cut.
    @Test func namesAreNotCutWhileOtherColumnsAreEmpty() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["status"], socket: socket, columns: 60)
            #expect(result.output.contains("kantaibert  "), "\(result)")
        }
    }

    @Test func watchPrintsPlainLinesAndExitsWhenAllModelsServe() async throws {
        try await Canned.serving(statuses: Canned.untilServed) { socket in
            let result = try KbctlProcess.run(["watch", "--exit-when-served"], socket: socket)
            #expect(result.status == 0)
            #expect(result.output.contains("219/3216 · 6 % · 01:05 left · epoch 0.07 · loss 5.2500 · 1800 tokens/s"))
            #expect(result.output.contains("12:00:01 held out after step 219: loss 5.1\n"))
            #expect(result.output.contains("12:00:02 after step 219 it continues “I”: “ think”\n"))
            #expect(!result.output.contains("\u{1B}"))
        }
    }

    @Test func watchRedrawsItsProgressBarOnATerminal() async throws {
        try await Canned.serving(statuses: Canned.untilServed) { socket in
            let result = try KbctlProcess.run(["watch", "--exit-when-served"], socket: socket, columns: 70)
            #expect(result.status == 0)
            let drawn = result.output.components(between: "\r\u{1B}[2K")
            #expect(drawn.contains { $0.hasPrefix("assistant ━") && $0.contains("219/3216 · 6 % · 01:05 left") })
            for line in drawn.flatMap({ $0.split(separator: "\n") }) { #expect(line.count < 70, "\(line)") }
        }
    }

    @Test func watchFailsIfARunHasFailed() async throws {
        var failed = Canned.models
        failed[1].state = .failed
        try await Canned.serving(statuses: [Canned.status(models: failed, run: nil, inboxPending: 0)]) { socket in
            let result = try KbctlProcess.run(["watch", "--exit-when-served"], socket: socket)
            #expect(result.errors == "kbctl: training ‘assistant’ failed: the disk is full\n")
            #expect(result.status == 70)
        }
    }
}

extension String {
    /// Splits at each occurrence of `separator`.
    fileprivate func components(between separator: String) -> [String] {
        var pieces = [""]
        var rest = Array(unicodeScalars)[...]
        let mark = Array(separator.unicodeScalars)
        while !rest.isEmpty {
            if rest.starts(with: mark) {
                pieces.append("")
                rest = rest.dropFirst(mark.count)
            } else {
                pieces[pieces.count - 1].unicodeScalars.append(rest.removeFirst())
            }
        }
        return pieces
    }
}
