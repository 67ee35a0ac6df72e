/// Width on a terminal: two columns for East Asian wide characters and emoji, none for combining characters.
extension Character {
    var cells: Int {
        if utf8.count == 1 { return asciiValue.map { $0 < 0x20 || $0 == 0x7F ? 0 : 1 } ?? 1 }
        // A grapheme cluster is as wide as its widest scalar. U+FE0F selects emoji presentation.
        return unicodeScalars.reduce(0) { max($0, $1 == "\u{FE0F}" ? 2 : $1.cells) }
    }
}

extension StringProtocol {
    var cells: Int { reduce(0) { $0 + $1.cells } }
}

extension String {
    /// Truncates at the end to `width` columns, the last of them `…`.
    func cut(to width: Int) -> String {
        guard cells > width else { return self }
        guard width > 0 else { return "" }
        var room = width - 1
        return prefix { character in
            room -= character.cells
            return room >= 0
        } + "…"
    }

    /// Truncates at the beginning to `width` columns, the first of them `…`.
    func cutInFront(to width: Int) -> String {
        guard cells > width else { return self }
        return String(String(reversed()).cut(to: width).reversed())
    }

    /// Wraps to lines that fit to the right of `indent` columns, between words, and within a word longer than a line.
    func wrapped(indent: Int, columns: Int? = Terminal.columns) -> [String] {
        guard let columns else { return [self] }
        let room = max(1, columns - indent)
        var lines = [""]
        // Width of the last line.
        var width = 0
        for word in split(whereSeparator: { $0 == " " || $0.isNewline }) {
            if width > 0 {
                if width + 1 + word.cells <= room {
                    lines[lines.count - 1] += " "
                    width += 1
                } else {
                    lines.append("")
                    width = 0
                }
            }
            for character in word {
                if width + character.cells > room, width > 0 {
                    lines.append("")
                    width = 0
                }
                lines[lines.count - 1].append(character)
                width += character.cells
            }
        }
        return lines
    }

    /// Pads with spaces to `width` columns; a wider string is returned unchanged.
    func padded(to width: Int, _ alignment: Table.Alignment = .left) -> String {
        let padding = String(repeating: " ", count: max(0, width - cells))
        return alignment == .left ? self + padding : padding + self
    }
}

extension Unicode.Scalar {
    fileprivate var cells: Int {
        switch properties.generalCategory {
        case .control, .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        if value < 0x1100 { return 1 }
        return properties.isEmojiPresentation || Self.wide.contains { $0.contains(value) } ? 2 : 1
    }

    /// Non-emoji ranges of width W or F in Unicode's EastAsianWidth.txt, as whole blocks including unassigned code
    /// points.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF,
        0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF, 0x1F200...0x1F265, 0x20000...0x3FFFD,
    ]
}
