extension CorpusSearch {
    /// Returns a concordance of a query. White space between two tokens does not matter, nor whether there is any.
    /// - Throws: `SearchError.invalidQuery` if the cursor is in a corpus that is not searched; `.cancelled`, `.damaged`
    public func find(
        _ query: SearchQuery, options: FindOptions = FindOptions(), budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> Concordance {
        var (first, offset) = (0, -1)
        if let after = options.after {
            guard let corpus = indexes.firstIndex(where: { $0.sha256 == after.sha256 }) else {
                throw .invalidQuery(
                    reason: "the position to continue from is in corpus \(after.sha256), which is not searched",
                    offset: 0)
            }
            (first, offset) = (corpus, after.byteOffset)
        }
        let limit = min(max(0, options.limit), 1000)
        let time = Timekeeper(budget)
        var result = Concordance(
            total: 0, countsByCorpus: indexes.map { _ in 0 }, occurrences: [], next: options.after, isComplete: true)
        var places: [(corpus: Int, position: Int)] = []
        do throws(Stop) {
            for (corpus, index) in indexes.enumerated() {
                // One more than the limit shows whether there is a next page.
                let wanted = corpus < first || limit == 0 ? 0 : limit + 1 - places.count
                var finding = Finding(query, index, time, after: corpus == first ? offset : -1, limit: wanted)
                defer {
                    result.countsByCorpus[corpus] = finding.count
                    result.total += finding.count
                    places += finding.smallest.sorted.map { (corpus, $0) }
                }
                try finding.run()
            }
        } catch {
            switch error {
            case .deadline: result.isComplete = false
            case .failed(let error): throw error
            }
        }
        if result.isComplete && places.count <= limit { result.next = nil }
        do throws(Stop) {
            for (corpus, position) in places.prefix(limit) {
                let index = indexes[corpus]
                result.occurrences.append(
                    index.occurrence(
                        at: try index.range(of: query.patterns.count, from: position), corpus: corpus,
                        contextBytes: min(max(0, options.contextBytes), 1000)))
                if places.count > limit || !result.isComplete {
                    result.next = Concordance.Cursor(sha256: index.sha256, byteOffset: position)
                }
            }
        } catch {
            guard case .failed(let error) = error else { preconditionFailure("reading places has no deadline") }
            throw error
        }
        return result
    }
}

extension CorpusIndex {
    /// Returns the range of a number of tokens from the beginning of one.
    fileprivate func range(of count: Int, from start: Int) throws(Stop) -> Range<Int> {
        var position = start
        for number in 1...count {
            let end = text.tokenEnd(from: position)
            if number == count { return start..<end }
            let (kind, next) = text.separator(at: end)
            guard kind != .end else { break }
            position = next
        }
        throw .failed(.damaged(sha256: sha256, reason: "a match ends too early"))
    }
}

/// Finds the occurrences of a query in one corpus.
///
/// An occurrence is found in the block that has one of its tokens, the anchor: either the first one, from which the sorted
/// entries lead to the others; or the rarest one, around which the text is compared.
private struct Finding {
    private let index: CorpusIndex
    private let matchers: [WordMatcher]
    private let literals: [[UInt8]?]
    private let time: Timekeeper
    private let after: Int
    /// Number of occurrences so far.
    private(set) var count = 0
    /// The first occurrences behind `after`.
    private(set) var smallest: Smallest
    private var anchor = 0

    private var length: Int { matchers.count }

    init(_ query: SearchQuery, _ index: CorpusIndex, _ time: Timekeeper, after: Int, limit: Int) {
        self.index = index
        self.time = time
        self.after = after
        matchers = query.patterns.map(WordMatcher.init)
        literals = query.literals
        smallest = Smallest(limit)
    }

    mutating func run() throws(Stop) {
        try time.check()
        // The same for all blocks, so that an occurrence across the end of a block is found once.
        if length > 1, let block = index.blocks.first { anchor = try chooseAnchor(block) }
        for block in index.blocks {
            try time.check()
            if anchor == 0 {
                try findFromFirst(in: block)
            } else {
                try findAroundAnchor(in: block)
            }
        }
    }

    /// Returns the numbers of the distinct tokens that a pattern matches.
    private func words(_ pattern: Int, of block: Block) throws(Stop) -> [Range<Int>] {
        guard let literal = literals[pattern] else { return try matchers[pattern].words(of: block, time) }
        let word = try literal.withUnsafeBufferPointer { bytes throws(Stop) in
            try block.find(bytes.baseAddress!, bytes.count)
        }
        return word.map { [$0..<($0 + 1)] } ?? []
    }

    /// Estimates which anchor takes the fewest accesses to the text, in a sample of the corpus.
    private func chooseAnchor(_ block: Block) throws(Stop) -> Int {
        var entries: [Int] = []
        var words: [[Range<Int>]] = []
        for pattern in 0..<length {
            let found = try self.words(pattern, of: block)
            words.append(found)
            var count = 0
            for range in found { count += try block.entries(ofWords: range).count }
            entries.append(count)
        }
        let distinct = words.map { $0.reduce(0) { $0 + $1.count } }
        let targets = length == 2 ? words[1].count : distinct[1]
        let searches = Double(distinct[0]) * Double(max(1, targets)) * 80
        let fromFirst = min(Double(entries[0]), searches)
        let rarest = entries.indices.min { entries[$0] < entries[$1] }!
        return 2 * Double(entries[rarest]) < fromFirst ? rarest : 0
    }

    // MARK: from the first token

    private mutating func findFromFirst(in block: Block) throws(Stop) {
        let first = try words(0, of: block)
        guard length > 1 else {
            for range in first { try add(block.entries(ofWords: range), block) }
            return
        }
        var later: [[Range<Int>]?] = [first] + matchers.dropFirst().map { _ in nil }
        for range in first {
            for word in range { try narrow(block.entries(ofWord: word), block, matched: 1, &later) }
        }
    }

    /// Finds the occurrences among entries of which the first tokens are equal, and match.
    private mutating func narrow(
        _ ranks: Range<Int>, _ block: Block, matched: Int, _ words: inout [[Range<Int>]?]
    ) throws(Stop) {
        guard matched < length else { return try add(ranks, block) }
        guard ranks.count > 16 else { return try compare(ranks, block, matched: matched) }
        if words[matched] == nil { words[matched] = try self.words(matched, of: block) }
        let wanted = words[matched]!
        let isLast = matched == length - 1
        let targets = isLast ? wanted.count : wanted.reduce(0) { $0 + $1.count }
        let steps = Int.bitWidth - ranks.count.leadingZeroBitCount
        guard targets * 4 * steps < ranks.count else { return try compare(ranks, block, matched: matched) }
        for kind in [Separator.adjacent, .space] {
            let lower = try partition(ranks, block) { follower($0, matched).kind >= kind }
            let upper = try partition(lower..<ranks.upperBound, block) { follower($0, matched).kind > kind }
            var rest = lower..<upper
            for range in wanted {
                for word in isLast ? [range] : range.map({ $0..<($0 + 1) }) {
                    guard !rest.isEmpty else { break }
                    let (least, most) = (try block.word(word.lowerBound), try block.word(word.upperBound - 1))
                    let start = try partition(rest, block) { order(ofTokenAfter: $0, matched, least) >= 0 }
                    let end = try partition(start..<rest.upperBound, block) {
                        order(ofTokenAfter: $0, matched, most) > 0
                    }
                    if start < end { try narrow(start..<end, block, matched: matched + 1, &words) }
                    rest = end..<rest.upperBound
                }
            }
        }
    }

    /// Returns the first rank whose position satisfies a condition that all later ones satisfy, too.
    private func partition(
        _ ranks: Range<Int>, _ block: Block, _ condition: (Int) -> Bool
    ) throws(Stop) -> Int {
        var (lower, upper) = (ranks.lowerBound, ranks.upperBound)
        while lower < upper {
            try time.step()
            let middle = (lower + upper) / 2
            if condition(try block.position(middle)) { upper = middle } else { lower = middle + 1 }
        }
        return lower
    }

    /// Returns how the first tokens from a position are followed.
    private func follower(_ position: Int, _ tokens: Int) -> (kind: Separator, next: Int) {
        var position = position
        for number in 1...tokens {
            let found = index.text.separator(at: index.text.tokenEnd(from: position))
            if number == tokens || found.kind == .end { return found }
            position = found.next
        }
        return (.end, position)
    }

    private func order(
        ofTokenAfter position: Int, _ tokens: Int, _ word: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let (kind, next) = follower(position, tokens)
        guard kind != .end else { return -1 }
        let end = index.text.tokenEnd(from: next)
        return tokenOrder(index.text.base + next, end - next, word.baseAddress!, word.count)
    }

    /// Compares the tokens behind those that are known to match, one entry after the other.
    private mutating func compare(_ ranks: Range<Int>, _ block: Block, matched: Int) throws(Stop) {
        for rank in ranks {
            try time.step()
            let position = try block.position(rank)
            let (kind, next) = follower(position, matched)
            if kind != .end, matchesForward(from: next, matched..<length) { add(position) }
        }
    }

    // MARK: around another token

    private mutating func findAroundAnchor(in block: Block) throws(Stop) {
        for range in try words(anchor, of: block) {
            for rank in try block.entries(ofWords: range) {
                try time.step(2)
                let position = try block.position(rank)
                guard anchor + 1 == length || matchesForward(after: position, (anchor + 1)..<length) else { continue }
                if let start = matchesBackward(from: position) { add(start) }
            }
        }
    }

    private func matchesForward(after position: Int, _ patterns: Range<Int>) -> Bool {
        let (kind, next) = index.text.separator(at: index.text.tokenEnd(from: position))
        return kind != .end && matchesForward(from: next, patterns)
    }

    private func matchesForward(from start: Int, _ patterns: Range<Int>) -> Bool {
        var position = start
        for pattern in patterns {
            let end = index.text.tokenEnd(from: position)
            guard matches(pattern, position..<end) else { return false }
            guard pattern + 1 < patterns.upperBound else { break }
            let (kind, next) = index.text.separator(at: end)
            guard kind != .end else { return false }
            position = next
        }
        return true
    }

    /// Returns where the occurrence begins, or nil if the tokens before the anchor do not match.
    private func matchesBackward(from position: Int) -> Int? {
        var position = position
        for pattern in (0..<anchor).reversed() {
            guard let start = index.text.tokenStart(before: position),
                matches(pattern, start..<index.text.tokenEnd(from: start))
            else { return nil }
            position = start
        }
        return position
    }

    private func matches(_ pattern: Int, _ token: Range<Int>) -> Bool {
        let bytes = UnsafeBufferPointer(start: index.text.base + token.lowerBound, count: token.count)
        guard let literal = literals[pattern] else { return matchers[pattern].matches(bytes) }
        return literal.count == bytes.count && literal.elementsEqual(bytes)
    }

    // MARK: results

    private mutating func add(_ position: Int) {
        count += 1
        if position > after { smallest.insert(position) }
    }

    private mutating func add(_ ranks: Range<Int>, _ block: Block) throws(Stop) {
        count += ranks.count
        guard smallest.limit > 0, block.record.textEnd > after else { return }
        if smallest.isFull, smallest.largest! < block.record.textStart { return }
        for rank in ranks {
            if rank & 1023 == 0 { try time.check() }
            let position = try block.position(rank)
            if position > after { smallest.insert(position) }
        }
    }
}
