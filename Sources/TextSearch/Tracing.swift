import Glibc

extension CorpusSearch {
    /// Returns the parts of a text that occur verbatim in the corpora.
    ///
    /// A span of more than 512 tokens is compared with at most 1,024 places of each block that share its first 512, so it may
    /// be reported too short, or its count too low, in a corpus that repeats these more often.
    /// - Throws: `SearchError.textTooLong` above `maximumTraceBytes`, `.cancelled`, `.damaged`
    public func trace(
        _ text: String, options: TraceOptions = TraceOptions(), budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> Trace {
        let bytes = text.utf8.count
        guard bytes <= Self.maximumTraceBytes else {
            throw .textTooLong(bytes: bytes, limit: Self.maximumTraceBytes)
        }
        var tracing = Tracing(indexes, TokenSequence(text), options, Timekeeper(budget))
        // Part of the time is reserved for looking up what was found.
        for step in [Tracing.Step.find, .rank] {
            do throws(Stop) {
                try tracing.perform(step)
            } catch {
                switch error {
                case .deadline: tracing.isComplete = false
                case .failed(let error): throw error
                }
            }
        }
        return tracing.result()
    }
}

/// The state of one trace, so that a deadline leaves what has been found.
private struct Tracing {
    private struct Span {
        var tokens: Range<Int>
        var words: Int
        var bits: Double
    }

    private let indexes: [CorpusIndex]
    private let tokens: TokenSequence
    private let options: TraceOptions
    private let time: Timekeeper
    private let search: SequenceSearch
    /// Number of words among the first tokens.
    private var wordsBefore: [Int] = [0]
    private var spans: [Span] = []
    private var ranked: [Trace.Span] = []
    /// All tokens before this one have been examined.
    private var examined = 0
    var isComplete = true

    init(_ indexes: [CorpusIndex], _ tokens: TokenSequence, _ options: TraceOptions, _ time: Timekeeper) {
        self.indexes = indexes
        self.tokens = tokens
        self.options = options
        self.time = time
        search = SequenceSearch(indexes, tokens, time)
        for start in tokens.starts { wordsBefore.append(wordsBefore.last! + (tokens.text.isWord(at: start) ? 1 : 0)) }
    }

    enum Step { case find, rank }

    mutating func perform(_ step: Step) throws(Stop) {
        switch step {
        case .find:
            time.limit(to: 0.7)
            try time.check()
            try findSpans()
        case .rank:
            time.limit(to: 1)
            try rank()
        }
    }

    /// Finds the maximal spans from left to right.
    private mutating func findSpans() throws(Stop) {
        var start = 0
        while start < tokens.count {
            let end = start + (try search.longest(from: start, to: tokens.count))
            if end == start {
                start += 1
                examined = start
                continue
            }
            let words = wordsBefore[end] - wordsBefore[start]
            if words >= max(1, options.minimumWords) { spans.append(Span(tokens: start..<end, words: words, bits: 0)) }
            examined = end
            guard end < tokens.count else { return }
            start = try nextStart(after: start, including: end)
        }
        examined = tokens.count
    }

    /// Returns the first start after `start` of a sequence that occurs and includes the token `end`, or `end + 1` if that
    /// token itself does not occur.
    private func nextStart(after start: Int, including end: Int) throws(Stop) -> Int {
        guard try search.occurs(end..<(end + 1)) else { return end + 1 }
        // If a sequence occurs, so does every end of it. Doubles the length, then halves the difference: a long span does not
        // take a search for each of its tokens.
        var (occurring, length) = (end, 1)
        var missing = start
        while occurring - length > start {
            guard try search.occurs((occurring - length)..<(end + 1)) else {
                missing = occurring - length
                break
            }
            occurring -= length
            length *= 2
        }
        while occurring - missing > 1 {
            let middle = (occurring + missing) / 2
            if try search.occurs(middle..<(end + 1)) { occurring = middle } else { missing = middle }
        }
        return occurring
    }

    /// Computes the surprise of all spans, and looks up the occurrences of the first ones.
    private mutating func rank() throws(Stop) {
        var bits: [String: Double] = [:]
        let total = Double(max(1, indexes.reduce(0) { $0 + $1.tokens }))
        var bitsBefore: [Double] = [0]
        let within = covered()
        for index in 0..<tokens.count {
            var value = 0.0
            if within[index] {
                let token = tokens.token(index)
                if let known = bits[token] {
                    value = known
                } else {
                    value = -log2(Double(max(1, try occurrences(of: index))) / total)
                    if bits.count < 100_000 { bits[token] = value }
                }
            }
            bitsBefore.append(bitsBefore.last! + value)
        }
        for index in spans.indices {
            spans[index].bits = bitsBefore[spans[index].tokens.upperBound] - bitsBefore[spans[index].tokens.lowerBound]
        }
        spans.sort { ($0.bits, $1.tokens.lowerBound) > ($1.bits, $0.tokens.lowerBound) }
        let characters = CharacterOffsets(tokens.text)
        for span in spans.prefix(min(max(0, options.spans), 1000)) {
            let bytes = tokens.starts[span.tokens.lowerBound]..<tokens.ends[span.tokens.upperBound - 1]
            let (count, first) = try search.first(min(max(0, options.occurrences), 100), span.tokens)
            var occurrences: [Occurrence] = []
            for (corpus, position) in first {
                let index = indexes[corpus]
                let compared = tokens.compare(index.text, from: position, with: span.tokens)
                guard compared.order == 0 else {
                    throw .failed(.damaged(sha256: index.sha256, reason: "its entries are not sorted"))
                }
                occurrences.append(
                    index.occurrence(
                        at: position..<compared.end, corpus: corpus,
                        contextBytes: min(max(0, options.contextBytes), 1000)))
                try time.step(16)
            }
            ranked.append(
                Trace.Span(
                    bytes: bytes, characters: characters.range(bytes), words: span.words, count: count, bits: span.bits,
                    occurrences: occurrences))
        }
    }

    /// Returns the number of occurrences of a token in all corpora.
    private func occurrences(of index: Int) throws(Stop) -> Int {
        var count = 0
        for corpus in indexes {
            for block in corpus.blocks {
                try time.step()
                if let word = try block.find(tokens, index) { count += try block.entries(ofWord: word).count }
            }
        }
        return count
    }

    /// Returns for each token whether it is within any span. Spans may overlap, so their tokens are not visited one by one.
    private func covered() -> [Bool] {
        var changes = [Int](repeating: 0, count: tokens.count + 1)
        for span in spans {
            changes[span.tokens.lowerBound] += 1
            changes[span.tokens.upperBound] -= 1
        }
        var open = 0
        return changes.dropLast().map { change in
            open += change
            return open > 0
        }
    }

    func result() -> Trace {
        let covered = covered()
        var verbatim: [Range<Int>] = []
        var new: [Range<Int>] = []
        var verbatimWords = 0
        var index = 0
        while index < examined {
            let isVerbatim = covered[index]
            var end = index + 1
            while end < examined, covered[end] == isVerbatim { end += 1 }
            let bytes = tokens.starts[index]..<tokens.ends[end - 1]
            if isVerbatim {
                verbatim.append(bytes)
                verbatimWords += wordsBefore[end] - wordsBefore[index]
            } else {
                new.append(bytes)
            }
            index = end
        }
        let words = wordsBefore[examined]
        return Trace(
            spans: ranked, spanCount: spans.count, verbatim: verbatim, new: new, words: wordsBefore[tokens.count],
            verbatimWords: verbatimWords, verbatimShare: words == 0 ? 0 : Double(verbatimWords) / Double(words),
            isComplete: isComplete,
            examinedBytes: examined == tokens.count ? tokens.text.count : examined == 0 ? 0 : tokens.ends[examined - 1])
    }
}

/// Converts positions in bytes into positions in Unicode scalars.
struct CharacterOffsets {
    /// Number of scalars before each 256 bytes.
    private var before: [Int] = []
    private let text: TextView
    private static let step = 256

    init(_ text: TextView) {
        self.text = text
        var count = 0
        for index in 0..<text.count {
            if index % Self.step == 0 { before.append(count) }
            if text.base[index] & 0xC0 != 0x80 { count += 1 }
        }
        if text.count % Self.step == 0 { before.append(count) }
    }

    func range(_ bytes: Range<Int>) -> Range<Int> { offset(bytes.lowerBound)..<offset(bytes.upperBound) }

    private func offset(_ position: Int) -> Int {
        precondition(position >= 0 && position <= text.count)
        var count = before[position / Self.step]
        for index in (position / Self.step * Self.step)..<position where text.base[index] & 0xC0 != 0x80 { count += 1 }
        return count
    }
}
