extension [UInt8] {
    /// Removes all characters that are not in the set.
    mutating func keep(_ kept: KeptCharacters) {
        let (low, high) = kept.ascii
        var written = 0
        var index = 0
        while index < count {
            let byte = self[index]
            if byte < 0x80 {
                let bits = byte < 64 ? low : high
                self[written] = byte
                written += Int(truncatingIfNeeded: (bits >> UInt64(byte & 63)) & 1)
                index += 1
                continue
            }
            let (scalar, length) = character(at: index)
            if kept.contains(scalar) {
                for offset in 0..<length { self[written + offset] = self[index + offset] }
                written += length
            }
            index += length
        }
        removeLast(count - written)
    }

    /// See `TextFilter.stripURLs`.
    mutating func stripURLs() {
        strip { text, index in
            let folded = text[index] | 0x20
            guard folded == UInt8(ascii: "h") || folded == UInt8(ascii: "w"),
                !(text.character(before: index).map { isWordCharacter($0.scalar) } ?? false),
                let prefix = text.lengthOfURLPrefix(at: index)
            else { return nil }
            let end = text.end(from: index + prefix) { !isWhiteSpace($0) }
            return end > index + prefix ? end : nil
        }
    }

    /// See `TextFilter.stripMentions`.
    mutating func stripMentions() {
        strip { text, index in
            guard text[index] == UInt8(ascii: "@"),
                !(text.character(before: index).map { isWordCharacter($0.scalar) } ?? false)
            else { return nil }
            let end = text.end(from: index + 1, while: isWordCharacter)
            return end > index + 1 ? end : nil
        }
    }

    /// Removes all matches from left to right. `match` returns the end of a match that starts at an index.
    mutating func strip(_ match: ([UInt8], Int) -> Int?) {
        var pieces: [Range<Int>] = []
        var start = 0
        var index = 0
        while index < count {
            if let end = match(self, index) {
                pieces.append(start..<index)
                (start, index) = (end, end)
            } else {
                index += 1
            }
        }
        guard !pieces.isEmpty else { return }
        pieces.append(start..<count)
        self = pieces.reduce(into: []) { $0.append(contentsOf: self[$1]) }
    }

    /// Returns the length of `http://`, `https://` or `www.` in any case, or nil if there is none.
    private func lengthOfURLPrefix(at index: Int) -> Int? {
        for prefix in urlPrefixes where index + prefix.count <= count {
            let isThere = prefix.indices.allSatisfy { offset in
                let byte = self[index + offset]
                return (byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte) == prefix[offset]
            }
            if isThere { return prefix.count }
        }
        return nil
    }

    private func end(from start: Int, while isIncluded: (UInt32) -> Bool) -> Int {
        var index = start
        while index < count {
            let (scalar, length) = character(at: index)
            guard isIncluded(scalar) else { break }
            index += length
        }
        return index
    }
}

private let urlPrefixes = ["http://", "https://", "www."].map { Array($0.utf8) }
