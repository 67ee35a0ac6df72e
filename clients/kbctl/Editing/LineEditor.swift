import Glibc

/// Reads lines from the terminal with editing and history.
///
/// A line wider than the screen is scrolled horizontally. Pasted text with several lines is one line, in which ↵ is a line end.
final class LineEditor {
    private let prompt: String
    private var buffer = LineBuffer()
    private var keys = KeyReader()

    init(prompt: String) {
        self.prompt = prompt
    }

    /// Returns the next line; nil at the end. Lines are read unedited if standard input is not a terminal.
    func next() -> String? {
        var saved = termios()
        guard Terminal.isInteractive, tcgetattr(STDIN_FILENO, &saved) == 0 else { return readLine() }
        var raw = saved
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        raw.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        Terminal.write(KeyReader.marksPastes)
        defer {
            Terminal.write(KeyReader.marksNoPastes)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &saved)
        }
        draw()
        while let key = keys.next() {
            let outcome = buffer.press(key)
            if outcome == .goesOn {
                draw()
                continue
            }
            switch outcome {
            case .line(let text):
                Terminal.write("\r\n")
                return text
            case .interrupted:
                Terminal.write("^C\r\n")
                draw()
            case .ended:
                Terminal.write("\r\n")
                return nil
            case .goesOn: break
            }
        }
        return nil
    }

    private static func visible(_ character: Character) -> Character { character == "\n" ? "↵" : character }

    private func draw() {
        let room = max(8, (Terminal.columns ?? 80) - prompt.cells - 1)
        // The visible part extends at least to the cursor.
        var left = room
        var start = buffer.cursor
        while start > 0 {
            left -= Self.visible(buffer.characters[start - 1]).cells
            guard left >= 0 else { break }
            start -= 1
        }
        left = room
        let shown = buffer.characters[start...].map(Self.visible).prefix { character in
            left -= character.cells
            return left >= 0
        }
        let back = shown.dropFirst(buffer.cursor - start).reduce(0) { $0 + $1.cells }
        let cursor = back > 0 ? "\u{1B}[\(back)D" : ""
        Terminal.write("\r\u{1B}[K" + Style.bold(prompt) + Terminal.visible(String(shown)) + cursor)
    }
}
