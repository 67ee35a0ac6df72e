/// Prints text as it is generated and wraps it between words. If a word turns out not to fit after part of it was
/// printed, the part is erased and the word moved to the next line.
struct FlowingText {
    /// One column less than the screen, because terminals differ in when the last column wraps. Nil disables wrapping.
    private let room = Terminal.columns.map { max(1, $0 - 1) }
    private var column = 0
    /// The text printed since the last white space.
    private var word = ""

    mutating func write(_ text: String) {
        guard let room else { return Terminal.write(text) }
        var output = ""
        for character in Terminal.visible(text) {
            if character.isNewline {
                output += "\n"
                (column, word) = (0, "")
            } else if character.isWhitespace {
                let width = character == "\t" ? 8 - column % 8 : 1
                if column + width <= room {
                    output.append(character)
                    column += width
                } else {
                    output += "\n"
                    column = 0
                }
                word = ""
            } else {
                if column + character.cells > room { output += newLine() }
                output.append(character)
                word.append(character)
                column += character.cells
            }
        }
        Terminal.write(output)
    }

    /// Moves the current word to the next line, unless it fills the whole line.
    private mutating func newLine() -> String {
        let width = word.cells
        guard width > 0, width < column else {
            (column, word) = (0, "")
            return "\n"
        }
        column = width
        return "\u{1B}[\(width)D\u{1B}[K\n" + word
    }
}
