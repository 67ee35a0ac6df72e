/// Matches tokens with a pattern in time proportional to their length: a deterministic automaton whose states are computed
/// when they are first reached, and forgotten when there are too many.
final class WordMatcher {
    private static let maximumStates = 1024
    private static let maximumTransitions = 65_536
    private static let dead = 0
    private static let start = 1

    private let pattern: WordPattern
    private var states: [WordPattern.Positions] = []
    private var numbers: [WordPattern.Positions: Int] = [:]
    private var others: [UInt64: Int32] = [:]
    /// For each state and ASCII character, the next state, or −1 if it has not been computed.
    private let ascii = UnsafeMutablePointer<Int32>.allocate(capacity: 128 * maximumStates)
    /// What each state means for a text that ends there.
    private let meanings = UnsafeMutablePointer<Meaning>.allocate(capacity: maximumStates)

    private struct Meaning {
        var isAccepting: Bool
        /// Whether every text is accepted that continues from there.
        var isUniversal: Bool
    }

    init(_ pattern: WordPattern) {
        self.pattern = pattern
        reset()
    }

    deinit {
        ascii.deallocate()
        meanings.deallocate()
    }

    private func reset() {
        states.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        var start = WordPattern.Positions()
        _ = number(of: start)
        start.insert(WordPattern.start)
        _ = number(of: start)
    }

    private func number(of positions: WordPattern.Positions) -> Int {
        if let number = numbers[positions] { return number }
        let number = states.count
        precondition(number < Self.maximumStates)
        states.append(positions)
        numbers[positions] = number
        (ascii + 128 * number).initialize(repeating: -1, count: 128)
        (meanings + number).initialize(
            to: Meaning(
                isAccepting: positions & pattern.accepting != WordPattern.Positions(),
                isUniversal: pattern.acceptsAnything(positions)))
        return number
    }

    private func computeNext(_ state: Int, _ value: UInt32) -> Int {
        let key = UInt64(state) << 32 | UInt64(value)
        if value >= 0x80, let next = others[key] { return Int(next) }
        var reached = WordPattern.Positions()
        if let folded = pattern.folding(value) {
            var candidates = WordPattern.Positions()
            states[state].forEach { candidates |= pattern.following[$0] }
            candidates.forEach { if pattern.characters[$0].contains(folded, pattern.folding) { reached.insert($0) } }
        } else {
            reached = states[state]
        }
        if states.count >= Self.maximumStates || others.count >= Self.maximumTransitions {
            reset()
            return number(of: reached)
        }
        let next = number(of: reached)
        if value < 0x80 { ascii[128 * state + Int(value)] = Int32(next) } else { others[key] = Int32(next) }
        return next
    }

    enum Result {
        case matches
        case fails
        /// No text with this many bytes at its beginning matches.
        case failsWithPrefix(Int)
        /// Every text with this many bytes at its beginning matches.
        case matchesWithPrefix(Int)
    }

    /// Matches a whole token.
    func match(_ token: UnsafeBufferPointer<UInt8>) -> Result {
        guard let base = token.baseAddress else { return .fails }
        var state = Self.start
        var position = 0
        if meanings[state].isUniversal { return .matchesWithPrefix(0) }
        // A byte that is not valid here may begin a character in another token.
        var isValid = true
        while position < token.count {
            let byte = base[position]
            if byte < 0x80 {
                let next = Int(ascii[128 * state + Int(byte)])
                state = next >= 0 ? next : computeNext(state, UInt32(byte))
                position += 1
            } else if let (value, length) = TextView(base: base, count: token.count).scalar(at: position) {
                state = computeNext(state, value)
                position += length
            } else {
                state = computeNext(state, 0xFFFD)
                position += 1
                isValid = false
            }
            if state == Self.dead { return isValid ? .failsWithPrefix(position) : .fails }
            if meanings[state].isUniversal { return isValid ? .matchesWithPrefix(position) : .matches }
        }
        return meanings[state].isAccepting ? .matches : .fails
    }

    func matches(_ token: UnsafeBufferPointer<UInt8>) -> Bool {
        switch match(token) {
        case .matches, .matchesWithPrefix: true
        case .fails, .failsWithPrefix: false
        }
    }

    /// Returns the numbers of the distinct tokens of a block that match. Skips tokens that begin like one of which the
    /// beginning decides.
    func words(of block: Block, _ time: Timekeeper) throws(Stop) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var word = 0
        while word < block.words {
            try time.step()
            let bytes = try block.word(word)
            var end = word + 1
            switch match(bytes) {
            case .matches: found.appendJoined(word..<end)
            case .fails: break
            case .failsWithPrefix(let count): end = try block.end(ofPrefix: count, of: word)
            case .matchesWithPrefix(let count):
                end = try block.end(ofPrefix: count, of: word)
                found.appendJoined(word..<end)
            }
            word = end
        }
        return found
    }
}

extension [Range<Int>] {
    /// Appends a range that is behind all others, joining it with the last one if they are adjacent.
    mutating func appendJoined(_ range: Range<Int>) {
        if let last, last.upperBound == range.lowerBound {
            self[count - 1] = last.lowerBound..<range.upperBound
        } else {
            append(range)
        }
    }
}

extension Block {
    /// Returns the first token behind `word` that does not begin with the same `count` bytes.
    func end(ofPrefix count: Int, of word: Int) throws(Stop) -> Int {
        guard count > 0 else { return words }
        let prefix = try self.word(word)
        // Most runs are short, so distances grow from 1.
        var (lower, distance) = (word, 1)
        var upper = words
        while lower + distance < upper {
            guard try begins(lower + distance, with: prefix, count) else {
                upper = lower + distance
                break
            }
            lower += distance
            distance *= 2
        }
        while upper - lower > 1 {
            let middle = (lower + upper) / 2
            if try begins(middle, with: prefix, count) { lower = middle } else { upper = middle }
        }
        return upper
    }

    private func begins(_ word: Int, with prefix: UnsafeBufferPointer<UInt8>, _ count: Int) throws(Stop) -> Bool {
        let bytes = try self.word(word)
        guard bytes.count >= count else { return false }
        for index in 0..<count where bytes[index] != prefix[index] { return false }
        return true
    }
}
