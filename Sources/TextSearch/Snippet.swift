extension CorpusIndex {
    /// Maximum length of `Occurrence.match`, in bytes of the text.
    static let maximumMatchBytes = 1000

    /// Returns the occurrence of a match with the text around it.
    func occurrence(at range: Range<Int>, corpus: Int, contextBytes: Int) -> Occurrence {
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count)
        let before = wholeWords(before: range.lowerBound, bytes: contextBytes)..<range.lowerBound
        let after = range.upperBound..<wholeWords(after: range.upperBound, bytes: contextBytes)
        var match = range
        if match.count > Self.maximumMatchBytes {
            match = match.lowerBound..<wholeWords(after: match.lowerBound, bytes: Self.maximumMatchBytes)
        }
        return Occurrence(
            sha256: sha256, corpus: corpus, byteOffset: range.lowerBound, byteCount: range.count,
            line: line(at: range.lowerBound), before: onOneLine(before),
            match: onOneLine(match) + (match == range ? "" : " […]"), after: onOneLine(after))
    }

    /// Returns a position at most `bytes` before another one, at the beginning of a word if possible.
    private func wholeWords(before end: Int, bytes: Int) -> Int {
        let lowest = max(0, end - bytes)
        guard lowest > 0 else { return 0 }
        var position = lowest
        while position < end, text.base[position - 1] > 0x20 { position += 1 }
        // Text without white space is cut between characters.
        if position == end { position = lowest }
        while position < end, text.base[position] & 0xC0 == 0x80 { position += 1 }
        return position
    }

    private func wholeWords(after start: Int, bytes: Int) -> Int {
        let highest = min(text.count, start + bytes)
        guard highest < text.count else { return text.count }
        var position = highest
        while position > start, text.base[position] > 0x20 { position -= 1 }
        if position == start { position = highest }
        while position > start, text.base[position] & 0xC0 == 0x80 { position -= 1 }
        return position
    }

    /// Returns a part of the text in which every run of white space and control characters is one space.
    private func onOneLine(_ range: Range<Int>) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var position = range.lowerBound
        while position < range.upperBound {
            let (isSpace, length) = text.isSpace(at: position)
            let end = min(position + length, range.upperBound)
            if !isSpace {
                bytes.append(contentsOf: UnsafeBufferPointer(start: text.base + position, count: end - position))
            } else if bytes.last != 0x20 {
                bytes.append(0x20)
            }
            position = end
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
