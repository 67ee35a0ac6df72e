extension CorpusSearch {
    /// Returns how often the corpora have each candidate between `before` and `after`.
    ///
    /// The texts are joined as they are: `candidates` have a leading space where the text has one. A candidate may be a part
    /// of a word; the words that it completes must then occur.
    /// - Parameters:
    ///   - before: the text before the mask; only its end is used
    ///   - candidates: at most `maximumCandidates`
    ///   - after: the text after the mask; only its beginning is used
    /// - Throws: `SearchError.textTooLong` for a candidate above `maximumQueryBytes`, `.invalidQuery` for too many,
    ///   `.cancelled`, `.damaged`
    public func contexts(
        before: String, candidates: [String], after: String, options: ContextOptions = ContextOptions(),
        budget: SearchBudget = SearchBudget()
    ) throws(SearchError) -> MaskContexts {
        guard candidates.count <= Self.maximumCandidates else {
            let reason = "\(candidates.count) candidates; the limit is \(Self.maximumCandidates)"
            throw .invalidQuery(reason: reason, offset: 0)
        }
        for candidate in candidates where candidate.utf8.count > Self.maximumQueryBytes {
            throw .textTooLong(bytes: candidate.utf8.count, limit: Self.maximumQueryBytes)
        }
        let (before, after) = (Self.end(of: before), Self.beginning(of: after))
        let time = Timekeeper(budget)
        let searches = candidates.map {
            CandidateSearch(indexes, before, $0, after, context: min(max(0, options.context), 32), time)
        }
        var result = MaskContexts(
            leftCount: 0, rightCount: 0, left: "", right: "",
            candidates: candidates.map {
                MaskContexts.Candidate(
                    text: $0, count: 0, widestLeft: 0, widestRight: 0, widestCount: 0, occurrences: [])
            }, isComplete: true)
        do throws(Stop) {
            try Self.fill(&result, searches, options, time)
        } catch {
            switch error {
            case .deadline: result.isComplete = false
            case .failed(let error): throw error
            }
        }
        return result
    }

    private static func fill(
        _ result: inout MaskContexts, _ searches: [CandidateSearch], _ options: ContextOptions, _ time: Timekeeper
    ) throws(Stop) {
        var widest: (width: CandidateSearch.Width, number: Int)?
        for (number, search) in searches.enumerated() {
            try time.check()
            guard let width = try search.widest() else { continue }
            let found = try search.lines(
                width, min(max(0, options.occurrences), 100), contextBytes: min(max(0, options.contextBytes), 1000))
            result.candidates[number].widestLeft = width.left
            result.candidates[number].widestRight = width.right
            result.candidates[number].widestCount = found.count
            result.candidates[number].occurrences = found.occurrences
            if widest.map({ width.isBetter(than: $0.width) }) ?? true { widest = (width, number) }
        }
        guard let (width, number) = widest else { return }
        (result.leftCount, result.rightCount) = (width.left, width.right)
        (result.left, result.right) = searches[number].text(width)
        for (number, search) in searches.enumerated() {
            result.candidates[number].count = try search.count(width)
        }
    }

    /// Returns as much of the end of a text as any context can use. The first word may be cut; it is further away than any
    /// context reaches.
    private static func end(of text: String) -> String {
        var start = text.utf8.index(text.endIndex, offsetBy: -min(text.utf8.count, maximumContextBytes))
        while start.samePosition(in: text.unicodeScalars) == nil { start = text.utf8.index(after: start) }
        return String(text.unicodeScalars[start...])
    }

    private static func beginning(of text: String) -> String {
        var end = text.utf8.index(text.startIndex, offsetBy: min(text.utf8.count, maximumContextBytes))
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text.unicodeScalars[..<end])
    }

    private static let maximumContextBytes = 1 << 15
}

/// The searches for one candidate in contexts of different widths.
private final class CandidateSearch {
    /// Numbers of tokens on each side.
    struct Width {
        var left: Int
        var right: Int

        /// More tokens first, then as many on either side, then more on the left, which is what a reader has read.
        func isBetter(than other: Width) -> Bool {
            if left + right != other.left + other.right { return left + right > other.left + other.right }
            if abs(left - right) != abs(other.left - other.right) {
                return abs(left - right) < abs(other.left - other.right)
            }
            return left > other.left
        }
    }

    private let tokens: TokenSequence
    private let search: SequenceSearch
    private let time: Timekeeper
    /// The tokens that contain a part of the candidate.
    private let core: Range<Int>
    private let context: Int
    private let candidate: Range<Int>

    init(
        _ indexes: [CorpusIndex], _ before: String, _ text: String, _ after: String, context: Int, _ time: Timekeeper
    ) {
        let tokens = TokenSequence(before + text + after)
        let candidate = before.utf8.count..<(before.utf8.count + text.utf8.count)
        let first = tokens.ends.firstIndex { $0 > candidate.lowerBound } ?? tokens.count
        let end = tokens.starts.firstIndex { $0 >= candidate.upperBound } ?? tokens.count
        self.tokens = tokens
        self.candidate = candidate
        core = first..<max(first, end)
        self.context = context
        self.time = time
        search = SequenceSearch(indexes, tokens, time)
    }

    private func range(_ width: Width) -> Range<Int>? {
        let range = (core.lowerBound - width.left)..<(core.upperBound + width.right)
        return core.isEmpty || range.lowerBound < 0 || range.upperBound > tokens.count ? nil : range
    }

    private func occurs(_ width: Width) throws(Stop) -> Bool {
        guard let range = range(width) else { return false }
        return try search.occurs(range)
    }

    func count(_ width: Width) throws(Stop) -> Int {
        guard let range = range(width) else { return 0 }
        return try search.count(range)
    }

    /// Returns the widest context in which the candidate occurs, or nil if it does not occur at all.
    func widest() throws(Stop) -> Width? {
        var width = Width(left: 0, right: 0)
        guard try occurs(width) else { return nil }
        while width.left < context, try occurs(Width(left: width.left + 1, right: 0)) { width.left += 1 }
        var best = width
        // A wider context on the right leaves at most as much on the left.
        while width.right < context {
            width.right += 1
            while width.left > 0, try !occurs(width) { width.left -= 1 }
            if width.left == 0, try !occurs(width) { break }
            if width.isBetter(than: best) { best = width }
        }
        return best
    }

    func lines(
        _ width: Width, _ limit: Int, contextBytes: Int
    ) throws(Stop) -> (count: Int, occurrences: [Occurrence]) {
        guard let range = range(width) else { return (0, []) }
        let (count, first) = try search.first(limit, range)
        var occurrences: [Occurrence] = []
        for (corpus, position) in first {
            let index = search.indexes[corpus]
            // Shows the candidate as the match, not its context.
            let left = tokens.compare(index.text, from: position, with: range.lowerBound..<core.upperBound)
            guard left.order == 0 else {
                throw .failed(.damaged(sha256: index.sha256, reason: "its entries are not sorted"))
            }
            var start = position
            for _ in 0..<width.left { start = index.text.separator(at: index.text.tokenEnd(from: start)).next }
            occurrences.append(index.occurrence(at: start..<left.end, corpus: corpus, contextBytes: contextBytes))
            try time.step(16)
        }
        return (count, occurrences)
    }

    /// Returns the text of a context on both sides of the candidate.
    func text(_ width: Width) -> (left: String, right: String) {
        guard let range = range(width) else { return ("", "") }
        let left = tokens.starts[range.lowerBound]..<max(tokens.starts[range.lowerBound], candidate.lowerBound)
        let right = min(candidate.upperBound, tokens.ends[range.upperBound - 1])..<tokens.ends[range.upperBound - 1]
        return (tokens.text.string(left), tokens.text.string(right))
    }
}
