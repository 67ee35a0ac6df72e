import FoundationEssentials
import Glibc
import Interface
import Testing

/// No command prints a line wider than the screen, on standard output or standard error.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct WidthTests {
    private static let answers: [[String]] = [
        ["status"], ["models"], ["generations", "kantaibert"], ["generations", "assistant"], ["inspect", "kantaibert"],
        ["inspect", "kantaibert", "--values", "lm_head.bias"], ["corpora"],
        ["corpora", "--state", "admitted"], ["runs", "--model", "paged"], ["runs"], ["run"], ["metrics"],
        ["metrics", "--all"], ["plot"], ["plot", "assistant-1", "b"], ["doctor"], ["watch", "--exit-when-served"],
        ["ask", "long"], ["fill", "<mask>"], ["fill", "理性 <mask>"], ["score", "a"], ["score", "a", "--tokens"],
        ["review", "00"], ["similar", "a", "-l", "2"],
        ["tokenize", "a"],
        ["detokenize", "5", "6"], ["find", "pure"], ["trace", "-"], ["ask", "a", "--why"],
        ["fill", "<mask>", "--contexts"],
        ["promote", "kantaibert", "4"], ["train", "--plan"],
    ]
    private static let failures: [[String]] = [
        ["ask", "-m", "none", "a"], ["trace", "-", "-m", "off"], ["trace", "-", "-m", "imported"], ["find", "("],
        ["ask", "-m", "new", "a"], ["fill", "a"], ["review", "11"], ["train", "assistant"],
        ["train", "none", "--plan"],
        ["cancel", String(repeating: "run", count: 40)], ["promote", "kantaibert", "9"], ["metrics", "none"],
        ["inspect", "kantaibert", "--values", String(repeating: "tensor.", count: 20)],
        ["status", "--socket", "/none/" + String(repeating: "folder/", count: 8) + "socket"],
        ["status", "--socket", String(repeating: "/folder", count: 40)], ["corpora", "rm", "ff"],
        ["import", "/none/directory/with/a/name/that/is/long", "--model", "kantaibert"],
        // Messages of ArgumentParser.
        ["fill"], ["nonsense"], ["status", "--nonsense"], ["ask", "--top-k", "many", "a"], ["completion", "tcsh"],
        ["metrics", "--csv", "--json"],
    ]
    private static let commands: [[String]] = [
        [], ["ask"], ["chat"], ["fill"], ["trace"], ["find"], ["score"], ["review"], ["similar"], ["embed"],
        ["tokenize"],
        ["detokenize"], ["status"], ["watch"],
        ["models"],
        ["generations"], ["inspect"], ["corpora"], ["corpora", "list"], ["corpora", "rm"], ["runs"], ["run"],
        ["metrics"], ["plot"], ["doctor"], ["train"], ["cancel"], ["promote"], ["import"], ["export"], ["completion"],
    ]

    @Test(arguments: [40, 80] as [UInt16])
    func repliesFitTheScreen(columns: UInt16) async throws {
        for arguments in Self.answers {
            try await Canned.serving(statuses: arguments[0] == "watch" ? Canned.untilServed : [Canned.status()]) {
                let result = try KbctlProcess.run(arguments, socket: $0, columns: columns)
                #expect(result.status == 0, "\(arguments): \(result)")
                #expect(!result.output.isEmpty, "\(arguments)")
                Self.expectFit(result, columns, arguments)
            }
        }
    }

    @Test(arguments: [40, 80] as [UInt16])
    func errorsFitTheScreenAndAreComplete(columns: UInt16) async throws {
        try await Canned.serving { socket in
            for arguments in Self.failures {
                let result = try KbctlProcess.run(arguments, socket: socket, columns: columns)
                #expect(result.status != 0 && !result.errors.isEmpty, "\(arguments)")
                Self.expectFit(result, columns, arguments)
                // Wrapping must not change the text: a pipe gets the same.
                let whole = try KbctlProcess.run(arguments, socket: socket)
                #expect(Self.letters(result.errors) == Self.letters(whole.errors), "\(arguments)")
            }
        }
    }

    @Test(arguments: [40, 80] as [UInt16])
    func helpFitsTheScreenAndIsComplete(columns: UInt16) throws {
        for command in Self.commands {
            let result = try KbctlProcess.run(command + ["--help"], socket: "/none", columns: columns)
            #expect(result.status == 0 && result.output.contains("USAGE: kbctl"), "\(command)")
            Self.expectFit(result, columns, command)
            let whole = try KbctlProcess.run(command + ["--help"], socket: "/none")
            #expect(Self.letters(result.output) == Self.letters(whole.output), "\(command)")
        }
    }

    @Test(arguments: [40, 80] as [UInt16])
    func chatFitsTheScreen(columns: UInt16) async throws {
        try await Canned.serving { socket in
            let session = try TerminalSession(["chat"], socket: socket, columns: columns)
            try session.expect("> ")
            session.type("long\r")
            try session.expect(".")
            try session.expect("> ")
            session.type("/help\r")
            try session.expect("/exit")
            try session.expect("> ")
            session.type("\u{04}")
            #expect(session.end() == 0)
            #expect(Screen.widest(session.output) <= Int(columns), "\(session.output)")
        }
    }

    /// A word that turns out not to fit is moved to the next line, not split.
    @Test func streamedTextIsWrappedBetweenWords() async throws {
        try await Canned.serving { socket in
            let lines = Screen.lines(try KbctlProcess.run(["ask", "long"], socket: socket, columns: 20).output)
            #expect(
                lines.prefix(5) == [
                    "A critique of pure", "reason, which is", "long enough for any", "screen;", "理性理性理性endless",
                ])
        }
    }

    private static func expectFit(_ result: KbctlProcess.Result, _ columns: UInt16, _ arguments: [String]) {
        for text in [result.output, result.errors] {
            #expect(Screen.widest(text) <= Int(columns), "\(arguments) at \(columns):\n\(text)")
        }
    }

    private static func letters(_ text: String) -> String { String(text.filter { !$0.isWhitespace }) }
}

/// A terminal of unlimited width that records how far to the right text was written.
struct Screen {
    /// The lines at the end.
    static func lines(_ text: String) -> [String] { read(text).lines }
    static func widest(_ text: String) -> Int { read(text).widest }

    private static func read(_ text: String) -> (lines: [String], widest: Int) {
        var lines: [[(scalar: Unicode.Scalar, width: Int)]] = [[]]
        var column = 0
        var widest = 0
        var rest = Array(text.unicodeScalars)[...]
        /// Erases from `column` to the end of the line.
        func cut() {
            var width = 0
            let kept = lines[lines.count - 1].prefix { cell in
                width += cell.width
                return width <= column
            }
            lines[lines.count - 1] = Array(kept)
        }
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\n":
                lines.append([])
                column = 0
            case "\r": column = 0
            case "\u{1B}":
                // CSI number letter: D moves left, K erases, m sets the color, h and l with a question mark set modes.
                rest = rest.dropFirst()
                var number = ""
                while let digit = rest.first, digit.properties.numericType != nil || digit == "?" {
                    number.unicodeScalars.append(digit)
                    rest = rest.dropFirst()
                }
                switch rest.popFirst() {
                case "D": column = max(0, column - (Int(number) ?? 1))
                case "K":
                    if number == "2" { column = 0 }
                    cut()
                default: break
                }
            default:
                let width = scalar.properties.generalCategory == .nonspacingMark ? 0 : isWide(scalar) ? 2 : 1
                cut()
                lines[lines.count - 1].append((scalar, width))
                column += width
                widest = max(widest, column)
            }
        }
        let texts = lines.map { line in
            var text = String(String.UnicodeScalarView(line.map(\.scalar)))
            while text.last == " " { text.removeLast() }
            return text
        }
        return (texts, widest)
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool { (0x3400...0x9FFF).contains(scalar.value) }
}
