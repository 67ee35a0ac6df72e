/// Encodes words by repeatedly applying the merge with the lowest rank, leftmost first, as `Word::merge_all` of Hugging
/// Face does. Holds the state of one thread.
final class WordEncoder {
    private let model: BPEModel
    private let cache = WordCache()
    private let preTokenizer = PreTokenizer()

    /// Up to this length, a linear search over all pairs is faster than a heap.
    private static let shortWord = 96
    private let symbols: UnsafeMutablePointer<Int32>
    private let pairs: UnsafeMutablePointer<MergeTable.Found>

    init(model: BPEModel) {
        self.model = model
        symbols = .allocate(capacity: Self.shortWord)
        pairs = .allocate(capacity: Self.shortWord)
    }

    deinit {
        symbols.deallocate()
        pairs.deallocate()
    }

    /// Appends the ids of `text`, which must be valid UTF-8, word by word.
    func encode(_ text: UnsafePointer<UInt8>, _ count: Int, into ids: inout [Int32]) {
        var start = 0
        while start < count {
            let end = preTokenizer.wordEnd(text, start, count)
            encodeWord(text + start, end - start, into: &ids)
            start = end
        }
    }

    /// Returns the ids of bytes that are merged as one word, which need not be valid UTF-8.
    func encodeWord(_ bytes: [UInt8]) -> [Int32] {
        var ids: [Int32] = []
        bytes.withUnsafeBufferPointer { if let word = $0.baseAddress { merge(word, $0.count, into: &ids) } }
        return ids
    }

    @inline(__always)
    private func encodeWord(_ word: UnsafePointer<UInt8>, _ count: Int, into ids: inout [Int32]) {
        if count > WordCache.longestWord {
            merge(word, count, into: &ids)
            return
        }
        let hash = byteHash(word, count)
        if let known = cache.find(word, count, hash: hash) {
            if known.count == 1 { ids.append(known[0]) } else { ids.append(contentsOf: known) }
            return
        }
        let before = ids.count
        merge(word, count, into: &ids)
        ids.withUnsafeBufferPointer {
            cache.insert(word, count, hash: hash, ids: UnsafeBufferPointer(rebasing: $0[before...]))
        }
    }

    private func merge(_ word: UnsafePointer<UInt8>, _ count: Int, into ids: inout [Int32]) {
        if model.coversAllBytes && count <= Self.shortWord {
            for index in 0..<count { symbols[index] = model.idOfByte[Int(word[index])] }
            mergeShort(count, into: &ids)
            return
        }
        var start: [Int32] = []
        start.reserveCapacity(count)
        for index in 0..<count {
            let id = model.idOfByte[Int(word[index])]
            if id >= 0 { start.append(id) } else if let unknown = model.unknown { start.append(unknown) }
        }
        if start.count <= Self.shortWord {
            for (index, id) in start.enumerated() { symbols[index] = id }
            mergeShort(start.count, into: &ids)
        } else {
            var long = LongWord(start)
            long.merge(model.table)
            long.append(to: &ids)
        }
    }

    /// Merges the first `count` symbols in place.
    private func mergeShort(_ count: Int, into ids: inout [Int32]) {
        var count = count
        let table = model.table
        var index = 0
        while index + 1 < count {
            pairs[index] = table.find(symbols[index], symbols[index + 1])
            index += 1
        }
        while count > 1 {
            var best = pairs[0]
            var place = 0
            index = 1
            while index < count - 1 {
                if pairs[index] < best { (best, place) = (pairs[index], index) }
                index += 1
            }
            if best == MergeTable.none { break }
            symbols[place] = Int32(truncatingIfNeeded: best)
            index = place + 1
            while index < count - 1 {
                symbols[index] = symbols[index + 1]
                pairs[index] = pairs[index + 1]
                index += 1
            }
            count -= 1
            if place > 0 { pairs[place - 1] = table.find(symbols[place - 1], symbols[place]) }
            if place < count - 1 { pairs[place] = table.find(symbols[place], symbols[place + 1]) }
        }
        ids.append(contentsOf: UnsafeBufferPointer(start: symbols, count: count))
    }
}

/// A long word during merging: a linked list of symbols and a heap of pairs. Takes O(n log n) time.
private struct LongWord {
    private var ids: [Int32]
    private var next: [Int32]
    private var previous: [Int32]
    /// Rank in the upper 32 bits, position in the lower 32; smallest first. An entry is stale if the rank of the pair
    /// at its position has changed.
    private var heap: [UInt64] = []

    init(_ ids: [Int32]) {
        self.ids = ids
        next = (0..<Int32(ids.count)).map { $0 + 1 == Int32(ids.count) ? -1 : $0 + 1 }
        previous = (0..<Int32(ids.count)).map { $0 - 1 }
    }

    mutating func merge(_ table: MergeTable) {
        for position in 0..<ids.count - 1 { push(position, table) }
        while let top = heap.first {
            removeFirst()
            let position = Int(top & 0xFFFF_FFFF)
            guard ids[position] >= 0, next[position] >= 0 else { continue }
            let right = Int(next[position])
            let found = table.find(ids[position], ids[right])
            guard found != MergeTable.none, found >> 32 == top >> 32 else { continue }
            ids[position] = Int32(truncatingIfNeeded: found)
            ids[right] = -1
            next[position] = next[right]
            if next[right] >= 0 {
                previous[Int(next[right])] = Int32(position)
                push(position, table)
            }
            if previous[position] >= 0 { push(Int(previous[position]), table) }
        }
    }

    func append(to result: inout [Int32]) {
        var position: Int32 = 0
        while position >= 0 {
            result.append(ids[Int(position)])
            position = next[Int(position)]
        }
    }

    private mutating func push(_ position: Int, _ table: MergeTable) {
        let found = table.find(ids[position], ids[Int(next[position])])
        guard found != MergeTable.none else { return }
        let entry = (found >> 32) << 32 | UInt64(position)
        heap.append(entry)
        var index = heap.count - 1
        while index > 0 && entry < heap[(index - 1) / 2] {
            heap[index] = heap[(index - 1) / 2]
            index = (index - 1) / 2
        }
        heap[index] = entry
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        if heap.isEmpty { return }
        var index = 0
        while true {
            var child = 2 * index + 1
            if child >= heap.count { break }
            if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
            if heap[child] >= last { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = last
    }
}
