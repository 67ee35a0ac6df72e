import Glibc

/// A token that is found in the text before anything else is done to it; the keys of `tokenizer.json`'s `added_tokens`.
struct AddedToken: Sendable, Equatable {
    let id: Int32
    let content: String
    /// White space before it belongs to it.
    var lstrip = false
    /// White space behind it belongs to it.
    var rstrip = false
    /// Whether it is looked for only in what the others have left.
    var normalized = false
    /// Left out of decoded text on request.
    var special = true
}

/// Finds added tokens in a text: at the leftmost place the longest one, as Hugging Face's `AddedVocabulary`.
struct AddedTokenMatcher: Sendable {
    struct Match {
        let id: Int32
        /// Bytes of the text, white space that the token takes along included.
        let start: Int
        let end: Int
    }

    /// By the first byte of the content, longer contents first.
    private let candidates: [[Candidate]]
    /// The first byte of all contents, where they have it in common, as `<s>` and `<mask>` do.
    private let commonFirstByte: UInt8?
    let isEmpty: Bool

    private struct Candidate: Sendable {
        let content: [UInt8]
        let token: AddedToken
    }

    init(_ tokens: [AddedToken]) {
        var candidates = [[Candidate]](repeating: [], count: 256)
        for token in tokens where !token.content.isEmpty {
            let content = Array(token.content.utf8)
            candidates[Int(content[0])].append(Candidate(content: content, token: token))
        }
        self.candidates = candidates.map { $0.sorted { $0.content.count > $1.content.count } }
        let firstBytes = candidates.indices.filter { !candidates[$0].isEmpty }
        commonFirstByte = firstBytes.count == 1 ? UInt8(firstBytes[0]) : nil
        isEmpty = firstBytes.isEmpty
    }

    /// The first match at or behind `from`. White space is only taken back to `floor`, the end of the last match.
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
                let here = candidates[Int(text[position])]
                for candidate in here where isAt(text + position, end - position, candidate.content) {
                    var start = position
                    var stop = position + candidate.content.count
                    let resume = stop
                    if candidate.token.lstrip { start = max(spacesStart(text, stop: position), floor) }
                    if candidate.token.rstrip { stop = spacesEnd(text, stop, end) }
                    return (Match(id: candidate.token.id, start: start, end: stop), resume)
                }
                position += 1
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
