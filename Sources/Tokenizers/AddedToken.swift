import Glibc

/// A token that is matched in the text before pre-tokenization: an element of `added_tokens` in `tokenizer.json`.
struct AddedToken: Sendable, Equatable {
    let id: Int32
    let content: String
    /// Whether the token absorbs preceding white space.
    var lstrip = false
    /// Whether the token absorbs following white space.
    var rstrip = false
    /// Whether the token is matched in a second pass, in the text between the tokens found in the first.
    var normalized = false
    /// Whether decoding can omit the token.
    var special = true
}

/// The two passes in which added tokens are found.
struct AddedTokenMatchers: Sendable {
    let first: AddedTokenMatcher
    let second: AddedTokenMatcher

    init(_ tokens: [AddedToken], _ specialTokens: SpecialTokensInText) {
        first = AddedTokenMatcher(tokens.filter { !$0.normalized }, specialTokens)
        second = AddedTokenMatcher(tokens.filter(\.normalized), specialTokens)
    }

    var isEmpty: Bool { first.isEmpty && second.isEmpty }
}

/// Finds added tokens in a text: the leftmost and longest match, as Hugging Face's `AddedVocabulary` does.
struct AddedTokenMatcher: Sendable {
    struct Match {
        let id: Int32
        /// Byte range in the text, including absorbed white space.
        let start: Int
        let end: Int
    }

    /// Candidates by the first byte of their content, longest first.
    private let candidates: [[Candidate]]
    /// The first byte of all contents if it is the same for all, as for `<s>` and `<mask>`.
    private let commonFirstByte: UInt8?
    /// Whether there are no tokens to find.
    let isEmpty: Bool

    private struct Candidate: Sendable {
        let content: [UInt8]
        let token: AddedToken
        /// Whether an occurrence is text. It is skipped as a whole, so that no other token is found inside of it.
        let isText: Bool
    }

    init(_ tokens: [AddedToken], _ specialTokens: SpecialTokensInText) {
        var candidates = [[Candidate]](repeating: [], count: 256)
        for token in tokens where !token.content.isEmpty {
            let content = Array(token.content.utf8)
            candidates[Int(content[0])].append(
                Candidate(content: content, token: token, isText: !specialTokens.recognizes(token)))
        }
        self.candidates = candidates.map { $0.sorted { $0.content.count > $1.content.count } }
        let firstBytes = candidates.indices.filter { !candidates[$0].isEmpty }
        commonFirstByte = firstBytes.count == 1 ? UInt8(firstBytes[0]) : nil
        isEmpty = candidates.joined().allSatisfy(\.isText)
    }

    /// Returns the first match at or after `from`. Preceding white space is absorbed back to `floor`, the end of the
    /// last match.
    func next(_ text: UnsafePointer<UInt8>, from: Int, floor: Int, end: Int) -> (match: Match, resume: Int)? {
        candidates.withUnsafeBufferPointer { candidates in
            var position = from
            while position < end {
                if let commonFirstByte {
                    guard let found = memchr(text + position, Int32(commonFirstByte), end - position) else {
                        return nil
                    }
                    position = UnsafeRawPointer(found) - UnsafeRawPointer(text)
                }
                let found = candidates[Int(text[position])].first {
                    isAt(text + position, end - position, $0.content)
                }
                guard let found, !found.isText else {
                    position += found?.content.count ?? 1
                    continue
                }
                var start = position
                var stop = position + found.content.count
                let resume = stop
                if found.token.lstrip { start = max(spacesStart(text, stop: position), floor) }
                if found.token.rstrip { stop = spacesEnd(text, stop, end) }
                return (Match(id: found.token.id, start: start, end: stop), resume)
            }
            return nil
        }
    }

    private func isAt(_ text: UnsafePointer<UInt8>, _ count: Int, _ content: [UInt8]) -> Bool {
        guard content.count <= count else { return false }
        for index in 0..<content.count where text[index] != content[index] { return false }
        return true
    }

    private func spacesStart(_ text: UnsafePointer<UInt8>, stop: Int) -> Int {
        let preTokenizer = PreTokenizer()
        var start = stop
        while start > 0 && preTokenizer.isSpace(before: start, of: text) {
            start -= 1
            while text[start] & 0xC0 == 0x80 { start -= 1 }
        }
        return start
    }

    private func spacesEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var position = start
        while position < end {
            let next = UnicodeClasses.shared.ofCharacter(text + position)
            if next.class != UnicodeClasses.space { break }
            position += next.length
        }
        return position
    }
}
