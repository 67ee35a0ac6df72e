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
    /// Maximum number of entries that are compared one by one, if a sequence is longer than `IndexFormat.overlap`.
    private let maximumCandidates: Int
    /// All blocks; the one that had the previous sequence is searched first.
    private var order: [(corpus: Int, block: Int)]

    init(_ indexes: [CorpusIndex], _ tokens: TokenSequence, _ time: Timekeeper, maximumCandidates: Int = 1024) {
        self.indexes = indexes
        self.tokens = tokens
        self.time = time
        self.maximumCandidates = maximumCandidates
        order = indexes.enumerated().flatMap { corpus, index in index.blocks.indices.map { (corpus, $0) } }
    }

    /// Returns the number of tokens of the longest sequence from `start` that occurs in any index.
    func longest(from start: Int, to end: Int) throws(Stop) -> Int {
        let wanted = start..<min(end, start + IndexFormat.overlap)
        var best = 0
        for place in order.indices {
            let (corpus, number) = order[place]
            let block = indexes[corpus].blocks[number]
            guard let first = try block.find(tokens, start) else { continue }
            let ranks = try block.entries(ofWord: first)
            if ranks.isEmpty { continue }
            best = max(best, 1)
            let (lower, common) = try lowerBound(wanted, in: ranks, block, corpus)
            best = max(best, common)
            guard common == wanted.count, wanted.upperBound < end else { continue }
            let upper = try upperBound(wanted, in: lower..<ranks.upperBound, block, corpus)
            for rank in (lower..<upper).prefix(maximumCandidates) {
                let compared = tokens.compare(
                    indexes[corpus].text, from: try block.position(rank), with: start..<end)
                try time.step(1 + compared.common / 64)
                best = max(best, compared.common)
                if best == end - start { return best }
            }
        }
        return best
    }

    /// Returns whether a sequence occurs in any index.
    func occurs(_ range: Range<Int>) throws(Stop) -> Bool {
        let wanted = range.prefix(IndexFormat.overlap)
        for place in order.indices {
            let (corpus, number) = order[place]
            let block = indexes[corpus].blocks[number]
            guard let first = try block.find(tokens, range.lowerBound) else { continue }
            let ranks = try block.entries(ofWord: first)
            let (lower, common) = try lowerBound(wanted, in: ranks, block, corpus)
            guard common == wanted.count, lower < ranks.upperBound else { continue }
            if wanted.count < range.count {
                let upper = try upperBound(wanted, in: lower..<ranks.upperBound, block, corpus)
                guard try !matching(range, lower..<upper, block, corpus).isEmpty else { continue }
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
                guard let first = try block.find(tokens, range.lowerBound) else { continue }
                let ranks = try block.entries(ofWord: first)
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

    /// Returns the positions of those of `ranks` at which the whole sequence occurs, examining at most
    /// `maximumCandidates`.
    private func matching(
        _ range: Range<Int>, _ ranks: Range<Int>, _ block: Block, _ corpus: Int
    ) throws(Stop) -> [Int] {
        var positions: [Int] = []
        for rank in ranks.prefix(maximumCandidates) {
            let position = try block.position(rank)
            let compared = tokens.compare(indexes[corpus].text, from: position, with: range)
            try time.step(1 + compared.common / 64)
            if compared.order == 0 { positions.append(position) }
        }
        return positions
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
