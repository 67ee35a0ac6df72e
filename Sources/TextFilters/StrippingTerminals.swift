extension [UInt8] {
    /// Removes the control sequences of terminals (ECMA-48) and the overstrikes with which `nroff` prints bold and
    /// underlined characters. Equivalent to
    ///
    ///     text = re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])", "", text)
    ///     text = re.sub(r"_\x08(?=[^\n])|(.)\x08(?=\1)", "", text)
    mutating func stripANSI() {
        if contains(escape) { strip { text, index in text.endOfSequence(at: index) } }
        if contains(backspace) { strip { text, index in text.endOfOverstrike(at: index) } }
    }

    /// Returns the end of a control sequence that begins at an index, or nil if there is none.
    private func endOfSequence(at start: Int) -> Int? {
        guard self[start] == escape, start + 1 < count else { return nil }
        switch self[start + 1] {
        case UInt8(ascii: "["):
            let intermediate = end(from: start + 2, in: 0x30...0x3F)
            let last = end(from: intermediate, in: 0x20...0x2F)
            if last < count, (0x40...0x7E).contains(self[last]) { return last + 1 }
        case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "X"), UInt8(ascii: "^"), UInt8(ascii: "_"):
            var last = start + 2
            while last < count, self[last] != bell, self[last] != escape, self[last] != UInt8(ascii: "\n") { last += 1 }
            guard last < count else { break }
            if self[last] == bell { return last + 1 }
            if self[last] == escape, last + 1 < count, self[last + 1] == UInt8(ascii: "\\") { return last + 2 }
        default: break
        }
        let last = end(from: start + 1, in: 0x20...0x2F)
        return last < count && (0x30...0x7E).contains(self[last]) ? last + 1 : nil
    }

    private func end(from start: Int, in range: ClosedRange<UInt8>) -> Int {
        var index = start
        while index < count, range.contains(self[index]) { index += 1 }
        return index
    }

    /// Returns the end of a character and a backspace if the next character is printed over it, or nil.
    private func endOfOverstrike(at start: Int) -> Int? {
        guard self[start] & 0xC0 != 0x80, self[start] != UInt8(ascii: "\n") else { return nil }
        let (scalar, length) = character(at: start)
        let next = start + length + 1
        guard next < count, self[next - 1] == backspace, self[next] != UInt8(ascii: "\n") else { return nil }
        return scalar == 0x5F || character(at: next).scalar == scalar ? next : nil
    }
}

private let bell: UInt8 = 0x07
private let backspace: UInt8 = 0x08
private let escape: UInt8 = 0x1B
