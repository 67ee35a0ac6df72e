/// Text that is printed as it is made, its lines broken between words. A word that turns out too long for its line, when a
/// part of it stands there already, is moved to the next one.
struct FlowingText {
    /// One column less than the screen: in the last one a terminal does not say whether its line is over. Nil breaks nothing.
    private let room = Terminal.columns.map { max(1, $0 - 1) }
    private var column = 0
    /// What has been printed since the last space.
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

    /// Takes the word along, unless it fills the line.
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
