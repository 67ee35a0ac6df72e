import Glibc

/// Decodes the bytes that a terminal sends into keys.
struct KeyReader {
    private var bytes: [UInt8] = []
    /// Whether the bytes are pasted text, in which line ends are characters.
    private var isPasting = false

    /// Makes the terminal mark pasted text (xterm's bracketed paste mode), and stops that again.
    static let marksPastes = "\u{1B}[?2004h"
    static let marksNoPastes = "\u{1B}[?2004l"
    private static let pasteStart = "[200~"
    private static let pasteEnd = "[201~"

    /// Waits for the next key; returns nil at the end of standard input.
    mutating func next() -> LineBuffer.Key? {
        while true {
            if let key = take() { return key }
            guard read() else { return nil }
        }
    }

    private mutating func read() -> Bool {
        var piece = [UInt8](repeating: 0, count: 256)
        while true {
            let count = Glibc.read(STDIN_FILENO, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            bytes += piece[..<max(0, count)]
            return count > 0
        }
    }

    /// Returns nil if the bytes are an incomplete key.
    private mutating func take() -> LineBuffer.Key? {
        while let first = bytes.first {
            if first == 0x1B {
                guard let length = Self.escapeLength(bytes) else { return nil }
                let sequence = String(decoding: bytes[1..<length], as: UTF8.self)
                bytes.removeFirst(length)
                if sequence == Self.pasteStart || sequence == Self.pasteEnd {
                    isPasting = sequence == Self.pasteStart
                } else if !isPasting, let key = Self.escapes[sequence] {
                    return key
                }
            } else if isPasting, first == 0x0A || first == 0x0D {
                guard bytes.count > 1 else { return nil }
                bytes.removeFirst(first == 0x0D && bytes[1] == 0x0A ? 2 : 1)
                return .text("\n")
            } else if isPasting, first < 0x20 && first != 0x09 || first == 0x7F {
                bytes.removeFirst()
            } else if first < 0x20 || first == 0x7F {
                bytes.removeFirst()
                if let key = Self.controls[first] { return key }
            } else {
                guard let text = takeText() else { return nil }
                return .text(text)
            }
        }
        return nil
    }

    /// Returns the complete characters up to the next control character, so that pasted text arrives at once.
    private mutating func takeText() -> String? {
        var end = bytes.firstIndex { $0 < 0x20 || $0 == 0x7F } ?? bytes.count
        if end == bytes.count {
            // The last character may be incomplete.
            var start = end - 1
            while start > 0, end - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
            let length = bytes[start] >= 0xF0 ? 4 : bytes[start] >= 0xE0 ? 3 : bytes[start] >= 0xC0 ? 2 : 1
            if end - start < length { end = start }
        }
        guard end > 0 else { return nil }
        defer { bytes.removeFirst(end) }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// Returns the length of the escape sequence at the start; nil if it is incomplete.
    private static func escapeLength(_ bytes: [UInt8]) -> Int? {
        guard bytes.count > 1 else { return nil }
        guard bytes[1] == UInt8(ascii: "[") || bytes[1] == UInt8(ascii: "O") else { return 2 }
        guard let last = bytes.dropFirst(2).firstIndex(where: { $0 >= 0x40 && $0 <= 0x7E }) else { return nil }
        return last + 1
    }

    private static let controls: [UInt8: LineBuffer.Key] = [
        0x01: .home, 0x02: .left, 0x03: .interrupt, 0x04: .endOfFile, 0x05: .end, 0x06: .right, 0x08: .backspace,
        0x0A: .enter, 0x0B: .deleteToEnd, 0x0C: .redraw, 0x0D: .enter, 0x0E: .down, 0x10: .up, 0x15: .deleteToStart,
        0x17: .deleteWord, 0x7F: .backspace, 0x09: .text(" "),
    ]

    /// Escape sequences of xterm and the Linux console (console_codes(4), "Xterm Control Sequences").
    private static let escapes: [String: LineBuffer.Key] = [
        "[A": .up, "[B": .down, "[C": .right, "[D": .left, "[H": .home, "[F": .end, "OA": .up, "OB": .down,
        "OC": .right,
        "OD": .left, "OH": .home, "OF": .end, "[1~": .home, "[4~": .end, "[7~": .home, "[8~": .end, "[3~": .delete,
        "[1;5C": .wordRight, "[1;5D": .wordLeft, "[1;3C": .wordRight, "[1;3D": .wordLeft, "b": .wordLeft,
        "f": .wordRight, "\u{7F}": .deleteWord,
    ]
}
