import Interface

/// A text whose characters are colored by how unexpected their tokens are to a model.
struct SurpriseText {
    /// Surprise in bits: −log2 of the probability of a token.
    private enum Level: Int, CaseIterable {
        case expected, some, much, most

        init(bits: Double) {
            self = Self.allCases.last { bits >= $0.least } ?? .expected
        }

        /// The smallest surprise of the level in bits.
        var least: Double { [0, 4, 8, 12][rawValue] }

        var name: String { ["0–4", "4–8", "8–12", "12 and more"][rawValue] }

        var style: Style? { [nil, .cyan, .yellow, .red][rawValue] }
    }

    private struct Cell {
        var character: Character
        var level: Level
    }

    private var cells: [Cell] = []

    /// - Parameter scores: in order, without an end of the text
    init(_ scores: some Sequence<InferenceInterface.ScoredToken>) {
        var scalars = String.UnicodeScalarView()
        var levels: [Level] = []
        // The bytes of a character that several tokens form.
        var (bytes, highest) = ([] as [UInt8], 0.0)
        func add(_ text: String, _ bits: Double) {
            let added = Terminal.visible(text).unicodeScalars
            scalars.append(contentsOf: added)
            levels += added.map { _ in Level(bits: bits) }
        }
        func endCharacter() {
            if !bytes.isEmpty { add(String(decoding: bytes, as: UTF8.self), highest) }
            (bytes, highest) = ([], 0)
        }
        for score in scores {
            if let part = Self.bytes(of: score.token) {
                bytes += part
                highest = max(highest, score.bits ?? 0)
            } else {
                endCharacter()
                add(score.token, score.bits ?? 0)
            }
        }
        endCharacter()
        var index = 0
        for character in String(scalars) {
            let end = index + character.unicodeScalars.count
            cells.append(Cell(character: character, level: levels[index..<end].max { $0.rawValue < $1.rawValue }!))
            index = end
        }
    }

    /// The bytes of a token that is only a part of a character, such as `bytes:\xe7\x90`.
    private static func bytes(of token: String) -> [UInt8]? {
        guard token.hasPrefix("bytes:\\x") else { return nil }
        let parts = token.dropFirst(6).split(separator: "\\x").map { UInt8($0, radix: 16) }
        return parts.contains(nil) ? nil : parts.compactMap(\.self)
    }

    /// What the colors stand for.
    static var legend: String {
        "bits " + Level.allCases.map { $0.style?($0.name) ?? $0.name }.joined(separator: " · ")
    }

    /// The text with its own line breaks, wrapped to the screen between words where possible.
    func lines(columns: Int) -> [String] {
        var lines: [[Cell]] = [[]]
        var width = 0
        for cell in cells {
            if cell.character.isNewline {
                lines.append([])
                width = 0
                continue
            }
            let shown = cell.character == "\t" ? Cell(character: " ", level: cell.level) : cell
            if width + shown.character.cells > columns, width > 0 {
                let line = lines[lines.count - 1]
                let space = line.lastIndex { $0.character == " " }
                let rest = shown.character == " " ? [] : space.map { Array(line[($0 + 1)...]) } ?? []
                if rest.count < line.count { lines[lines.count - 1].removeLast(rest.count) }
                lines.append(rest)
                width = rest.reduce(0) { $0 + $1.character.cells }
                if shown.character == " " { continue }
            }
            lines[lines.count - 1].append(shown)
            width += shown.character.cells
        }
        return lines.map(Self.styled)
    }

    private static func styled(_ cells: [Cell]) -> String {
        var (text, start) = ("", cells.startIndex)
        while start < cells.endIndex {
            let level = cells[start].level
            let end = cells[start...].firstIndex { $0.level != level } ?? cells.endIndex
            let run = String(cells[start..<end].map(\.character))
            text += level.style?(run) ?? run
            start = end
        }
        return text
    }
}

extension InferenceInterface.ScoredToken {
    /// −log2 of the probability.
    var bits: Double? { logProbability.map { -$0 / 0.693_147_180_559_945_3 } }
}
