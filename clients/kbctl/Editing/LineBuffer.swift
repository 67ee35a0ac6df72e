/// The state of the line editor, without a terminal: the edited line, the cursor and the history.
struct LineBuffer: Equatable {
    enum Key: Equatable {
        case text(String)
        case left, right, home, end, up, down, wordLeft, wordRight
        case backspace, delete, deleteWord, deleteToEnd, deleteToStart
        case enter, interrupt, endOfFile, redraw
    }

    enum Outcome: Equatable {
        case goesOn
        case line(String)
        /// The line was abandoned.
        case interrupted
        case ended
    }

    private(set) var characters: [Character] = []
    /// The number of characters before the cursor.
    private(set) var cursor = 0
    private(set) var history: [String] = []
    /// Index of the history entry shown; `history.count` for the new line.
    private var place = 0
    /// The new line, saved while a history entry is shown.
    private var draft: [Character] = []

    /// Maximum length of the history.
    private static let longestHistory = 1000

    var text: String { String(characters) }

    mutating func press(_ key: Key) -> Outcome {
        switch key {
        case .text(let text): insert(text)
        case .left: cursor = max(0, cursor - 1)
        case .right: cursor = min(characters.count, cursor + 1)
        case .home: cursor = 0
        case .end: cursor = characters.count
        case .wordLeft: cursor = wordStart()
        case .wordRight: cursor = wordEnd()
        case .up: show(place - 1)
        case .down: show(place + 1)
        case .backspace: remove(max(0, cursor - 1)..<cursor)
        case .delete: remove(cursor..<min(characters.count, cursor + 1))
        case .deleteWord: remove(wordStart()..<cursor)
        case .deleteToEnd: remove(cursor..<characters.count)
        case .deleteToStart: remove(0..<cursor)
        case .redraw: break
        case .enter: return .line(finish())
        case .interrupt:
            (characters, cursor, place) = ([], 0, history.count)
            return .interrupted
        case .endOfFile:
            guard characters.isEmpty else { return press(.delete) }
            return .ended
        }
        return .goesOn
    }

    private mutating func insert(_ text: String) {
        // Inserted as a string, because a combining character joins the character before it.
        let before = String(characters[..<cursor]) + text
        characters = Array(before + String(characters[cursor...]))
        cursor = min(before.count, characters.count)
    }

    private mutating func remove(_ range: Range<Int>) {
        characters.removeSubrange(range)
        cursor = range.lowerBound
    }

    private mutating func finish() -> String {
        let line = text
        if !line.isEmpty, history.last != line { history.append(line) }
        if history.count > Self.longestHistory { history.removeFirst() }
        (characters, cursor, draft, place) = ([], 0, [], history.count)
        return line
    }

    private mutating func show(_ wanted: Int) {
        guard (0...history.count).contains(wanted) else { return }
        if place == history.count { draft = characters }
        place = wanted
        characters = wanted == history.count ? draft : Array(history[wanted])
        cursor = characters.count
    }

    private func wordStart() -> Int {
        var place = cursor
        while place > 0, characters[place - 1].isWhitespace { place -= 1 }
        while place > 0, !characters[place - 1].isWhitespace { place -= 1 }
        return place
    }

    private func wordEnd() -> Int {
        var place = cursor
        while place < characters.count, characters[place].isWhitespace { place += 1 }
        while place < characters.count, !characters[place].isWhitespace { place += 1 }
        return place
    }
}
