/// Finds sequences of tokens in several indexes by binary search.
final class SequenceSearch {
    /// The occurrences of a sequence in one block.
    struct Found {
        let corpus: Int
        let block: Int
        /// Ranks of entries that begin with the first `IndexFormat.overlap` tokens of the sequence.
        let ranks: Range<Int>
    }

    let indexes: [CorpusIndex]
    private let tokens: TokenSequence
    private let time: Timekeeper
    /// All blocks; the one that had the previous sequence is searched first.
    private var order: [(corpus: Int, block: Int)]
    /// For each block and token, the number of the token among the distinct ones of the block. Empty if there are too many.
    private var words: [Int32] = []
    /// Number of blocks before those of each index.
    private var firstBlocks: [Int] = []
    private static let maximumWords = 1 << 22
    /// Limits of comparing the entries of one block with a sequence that is longer than the overlap.
    private static let maximumCandidates = 1024
    private static let maximumComparedTokens = 1 << 20
    private static let (isUnknown, isMissing): (Int32, Int32) = (-1, -2)

    init(_ indexes: [CorpusIndex], _ tokens: TokenSequence, _ time: Timekeeper) {
        self.indexes = indexes
        self.tokens = tokens
        self.time = time
        order = indexes.enumerated().flatMap { corpus, index in index.blocks.indices.map { (corpus, $0) } }
        var count = 0
        for index in indexes {
            firstBlocks.append(count)
            count += index.blocks.count
        }
        if tokens.count * count <= Self.maximumWords {
            words = [Int32](repeating: Self.isUnknown, count: tokens.count * count)
        }
    }

    /// Returns the number of a token among the distinct ones of a block, or nil if the block does not have it.
    func word(_ token: Int, _ corpus: Int, _ number: Int) throws(Stop) -> Int? {
        let block = indexes[corpus].blocks[number]
        guard !words.isEmpty else { return try block.find(tokens, token) }
        let place = (firstBlocks[corpus] + number) * tokens.count + token
        if words[place] == Self.isUnknown {
            try time.step()
            words[place] = try block.find(tokens, token).map { Int32($0) } ?? Self.isMissing
        }
        return words[place] == Self.isMissing ? nil : Int(words[place])
    }

    /// Returns the ranks that begin with the first token of a sequence; empty if a block lacks any of its tokens.
    private func ranks(_ wanted: Range<Int>, _ corpus: Int, _ number: Int) throws(Stop) -> Range<Int> {
        // The last tokens are more often missing: the others occurred in a shorter sequence.
        for token in wanted.suffix(8).reversed() where try word(token, corpus, number) == nil { return 0..<0 }
        guard let first = try word(wanted.lowerBound, corpus, number) else { return 0..<0 }
        return try indexes[corpus].blocks[number].entries(ofWord: first)
    }

    /// Returns the number of tokens of the longest sequence from `start` that occurs in any index.
    func longest(from start: Int, to end: Int) throws(Stop) -> Int {
        let wanted = start..<min(end, start + IndexFormat.overlap)
        var best = 0
        for place in order.indices {
            let (corpus, number) = order[place]
            let block = indexes[corpus].blocks[number]
            guard let first = try word(start, corpus, number) else { continue }
            let ranks = try block.entries(ofWord: first)
            if ranks.isEmpty { continue }
            best = max(best, 1)
            let (lower, common) = try lowerBound(wanted, in: ranks, block, corpus)
            best = max(best, common)
            guard common == wanted.count, wanted.upperBound < end else { continue }
            let upper = try upperBound(wanted, in: lower..<ranks.upperBound, block, corpus)
            try compareCandidates(start..<end, lower..<upper, block, corpus) { _, common in
                best = max(best, common)
                return best < end - start
            }
            if best == end - start { return best }
        }
        return best
    }

    /// Returns whether a sequence occurs in any index.
    func occurs(_ range: Range<Int>) throws(Stop) -> Bool {
        let wanted = range.prefix(IndexFormat.overlap)
        for place in order.indices {
            let (corpus, number) = order[place]
            let block = indexes[corpus].blocks[number]
            let ranks = try ranks(wanted, corpus, number)
            if ranks.isEmpty { continue }
            let (lower, common) = try lowerBound(wanted, in: ranks, block, corpus)
            guard common == wanted.count, lower < ranks.upperBound else { continue }
            if wanted.count < range.count {
                let upper = try upperBound(wanted, in: lower..<ranks.upperBound, block, corpus)
                guard try !matching(range, lower..<upper, block, corpus, limit: 1).isEmpty else { continue }
            }
            order.swapAt(0, place)
            return true
        }
        return false
    }

    /// Returns the occurrences of a sequence in every block, in the order of the indexes.
    func occurrences(_ range: Range<Int>) throws(Stop) -> [Found] {
        var found: [Found] = []
        let wanted = range.prefix(IndexFormat.overlap)
        for (corpus, index) in indexes.enumerated() {
            for (number, block) in index.blocks.enumerated() {
                let ranks = try ranks(wanted, corpus, number)
                if ranks.isEmpty { continue }
                let (lower, common) = try lowerBound(wanted, in: ranks, block, corpus)
                guard common == wanted.count else { continue }
                let upper = try upperBound(wanted, in: lower..<ranks.upperBound, block, corpus)
                if lower < upper { found.append(Found(corpus: corpus, block: number, ranks: lower..<upper)) }
            }
        }
        return found
    }

    /// Returns the number of occurrences.
    func count(_ range: Range<Int>) throws(Stop) -> Int {
        var count = 0
        for found in try occurrences(range) {
            let block = indexes[found.corpus].blocks[found.block]
            count +=
                range.count <= IndexFormat.overlap
                ? found.ranks.count : try matching(range, found.ranks, block, found.corpus).count
        }
        return count
    }

    /// Returns the number of occurrences, and the first ones in the order of the corpora and their text.
    func first(
        _ limit: Int, _ range: Range<Int>
    ) throws(Stop) -> (count: Int, occurrences: [(corpus: Int, position: Int)]) {
        var count = 0
        var first: [(corpus: Int, position: Int)] = []
        for found in try occurrences(range) {
            let block = indexes[found.corpus].blocks[found.block]
            var smallest = Smallest(limit - first.count)
            if range.count > IndexFormat.overlap {
                let positions = try matching(range, found.ranks, block, found.corpus)
                count += positions.count
                for position in positions { smallest.insert(position) }
            } else {
                count += found.ranks.count
                guard smallest.limit > 0 else { continue }
                for rank in found.ranks {
                    smallest.insert(try block.position(rank))
                    if rank & 1023 == 0 { try time.check() }
                }
            }
            first += smallest.sorted.map { (found.corpus, $0) }
        }
        return (count, first)
    }

    /// Returns the positions of those of `ranks` at which the whole sequence occurs.
    private func matching(
        _ range: Range<Int>, _ ranks: Range<Int>, _ block: Block, _ corpus: Int, limit: Int = .max
    ) throws(Stop) -> [Int] {
        var positions: [Int] = []
        try compareCandidates(range, ranks, block, corpus) { position, common in
            if common == range.count { positions.append(position) }
            return positions.count < limit
        }
        return positions
    }

    /// Compares a sequence that is longer than the overlap with entries that have its beginning in common. The most promising
    /// ones come first: further behind, entries are sorted as well, except near the end of the block.
    /// - Parameter body: receives a position and the number of equal tokens; false ends the comparison
    private func compareCandidates(
        _ range: Range<Int>, _ ranks: Range<Int>, _ block: Block, _ corpus: Int, _ body: (Int, Int) -> Bool
    ) throws(Stop) {
        let best = try lowerBound(range, in: ranks, block, corpus).rank
        let before = max(ranks.lowerBound, best - 1)
        var work = 0
        for part in [before..<best, best..<ranks.upperBound, ranks.lowerBound..<before] {
            for rank in part.prefix(Self.maximumCandidates) where work < Self.maximumComparedTokens {
                let position = try block.position(rank)
                let compared = tokens.compare(indexes[corpus].text, from: position, with: range)
                try time.step(1 + compared.common / 64)
                work += compared.common
                guard body(position, compared.common) else { return }
            }
        }
    }

    /// Returns the first rank whose text does not sort before the tokens, and the number of tokens that the best entry has
    /// in common with them.
    private func lowerBound(
        _ range: Range<Int>, in ranks: Range<Int>, _ block: Block, _ corpus: Int
    ) throws(Stop) -> (rank: Int, common: Int) {
        var (lower, upper) = (ranks.lowerBound, ranks.upperBound)
        // The entries next to the bound share the longest beginning, and the search compares both.
        var best = 0
        while lower < upper {
            let middle = (lower + upper) / 2
            let compared = tokens.compare(indexes[corpus].text, from: try block.position(middle), with: range)
            try time.step(1 + compared.common / 64)
            best = max(best, compared.common)
            if compared.order < 0 { lower = middle + 1 } else { upper = middle }
        }
        return (lower, best)
    }

    /// Returns the first rank whose text sorts behind all texts that begin with the tokens.
    private func upperBound(
        _ range: Range<Int>, in ranks: Range<Int>, _ block: Block, _ corpus: Int
    ) throws(Stop) -> Int {
        var (lower, upper) = (ranks.lowerBound, ranks.upperBound)
        while lower < upper {
            let middle = (lower + upper) / 2
            let compared = tokens.compare(indexes[corpus].text, from: try block.position(middle), with: range)
            try time.step(1 + compared.common / 64)
            if compared.order <= 0 { lower = middle + 1 } else { upper = middle }
        }
        return lower
    }
}

extension Block {
    func find(_ tokens: TokenSequence, _ index: Int) throws(Stop) -> Int? {
        try find(tokens.text.base + tokens.starts[index], tokens.ends[index] - tokens.starts[index])
    }
}

/// The smallest of the positions that were inserted.
struct Smallest {
    let limit: Int
    /// A heap with the largest on top.
    private var heap: [Int] = []

    init(_ limit: Int) { self.limit = max(0, limit) }

    var isFull: Bool { heap.count >= limit }
    var largest: Int? { heap.first }
    var sorted: [Int] { heap.sorted() }

    @inline(__always)
    mutating func insert(_ position: Int) {
        if heap.count < limit {
            heap.append(position)
            var child = heap.count - 1
            while child > 0, heap[(child - 1) / 2] < heap[child] {
                heap.swapAt((child - 1) / 2, child)
                child = (child - 1) / 2
            }
        } else if limit > 0, position < heap[0] {
            heap[0] = position
            var parent = 0
            while true {
                var largest = 2 * parent + 1
                guard largest < heap.count else { break }
                if largest + 1 < heap.count, heap[largest + 1] > heap[largest] { largest += 1 }
                guard heap[largest] > heap[parent] else { break }
                heap.swapAt(largest, parent)
                parent = largest
            }
        }
    }
}
