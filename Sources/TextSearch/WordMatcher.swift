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
    /// For each state and ASCII character, the next state, or −1 if it has not been computed.
    private var ascii: [Int32] = []
    private var others: [UInt64: Int32] = [:]
    private var isAccepting: [Bool] = []
    private var isUniversal: [Bool] = []

    init(_ pattern: WordPattern) {
        self.pattern = pattern
        reset()
    }

    private func reset() {
        states.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
        ascii.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        isAccepting.removeAll(keepingCapacity: true)
        isUniversal.removeAll(keepingCapacity: true)
        var start = WordPattern.Positions()
        _ = number(of: start)
        start.insert(WordPattern.start)
        _ = number(of: start)
    }

    private func number(of positions: WordPattern.Positions) -> Int {
        if let number = numbers[positions] { return number }
        let number = states.count
        states.append(positions)
        numbers[positions] = number
        ascii.append(contentsOf: repeatElement(-1, count: 128))
        isAccepting.append(positions & pattern.accepting != WordPattern.Positions())
        isUniversal.append(pattern.acceptsAnything(positions))
        return number
    }

    @inline(__always)
    private func next(_ state: Int, _ value: UInt32) -> Int {
        if value < 0x80 {
            let next = ascii[128 * state + Int(value)]
            if next >= 0 { return Int(next) }
        }
        return computeNext(state, value)
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
        let text = TextView(base: base, count: token.count)
        var state = Self.start
        var position = 0
        if isUniversal[state] { return .matchesWithPrefix(0) }
        // A byte that is not valid here may begin a character in another token.
        var isValid = true
        while position < text.count {
            let byte = text.base[position]
            if byte < 0x80 {
                state = next(state, UInt32(byte))
                position += 1
            } else if let (value, length) = text.scalar(at: position) {
                state = next(state, value)
                position += length
            } else {
                state = next(state, 0xFFFD)
                position += 1
                isValid = false
            }
            if state == Self.dead { return isValid ? .failsWithPrefix(position) : .fails }
            if isUniversal[state] { return isValid ? .matchesWithPrefix(position) : .matches }
        }
        return isAccepting[state] ? .matches : .fails
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
