/// The tokens of a text that is searched for.
final class TokenSequence {
    let text: TextView
    private let bytes: UnsafeMutablePointer<UInt8>
    private(set) var starts: [Int] = []
    private(set) var ends: [Int] = []
    /// How each token is followed.
    private(set) var separators: [Separator] = []

    var count: Int { starts.count }

    init(_ text: String) {
        var text = text
        (bytes, self.text) = text.withUTF8 { utf8 in
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, utf8.count))
            if let base = utf8.baseAddress { bytes.initialize(from: base, count: utf8.count) }
            return (bytes, TextView(base: bytes, count: utf8.count))
        }
        var position = self.text.firstToken(from: 0)
        while position < self.text.count {
            let end = self.text.tokenEnd(from: position)
            let (kind, next) = self.text.separator(at: end)
            starts.append(position)
            ends.append(end)
            separators.append(kind)
            position = kind == .end ? self.text.firstToken(from: end) : next
        }
    }

    deinit { bytes.deallocate() }

    func token(_ index: Int) -> String {
        text.string(starts[index]..<ends[index])
    }

    /// Compares a text from a position with some of these tokens. The separator after the last of them is not compared.
    /// - Returns: the number of equal tokens; and −1 or 1 if the text sorts before or after the tokens, 0 if it begins with
    ///   them; and the end of the last equal token in the text
    func compare(
        _ other: TextView, from start: Int, with tokens: Range<Int>
    ) -> (common: Int, order: Int, end: Int) {
        var position = start
        var end = start
        for index in tokens {
            let tokenEnd = other.tokenEnd(from: position)
            let order = tokenOrder(
                other.base + position, tokenEnd - position, bytes + starts[index], ends[index] - starts[index])
            guard order == 0 else { return (index - tokens.lowerBound, order, end) }
            end = tokenEnd
            guard index + 1 < tokens.upperBound else { break }
            let (kind, next) = other.separator(at: end)
            guard kind != .end, kind == separators[index] else {
                return (index + 1 - tokens.lowerBound, kind <= separators[index] ? -1 : 1, end)
            }
            position = next
        }
        return (tokens.count, 0, end)
    }
}
