/// The merge loop of BPE training. Produces the same result as `BpeTrainer::do_train` of Hugging Face with different
/// data structures.
///
/// Three properties of the original affect the result and are reproduced: a queue entry holds the words in which the
/// pair occurred when it was queued, and only those are merged; a merged pair keeps its count; a token that results
/// from two different merges (`ab`+`c` and `a`+`bc`, or by chance a special token) is one token with two merges.
struct BPEMerging: ~Copyable {
    private let vocabularySize: Int
    private let minFrequency: Int64

    /// The token ids of all words, concatenated. A merge shortens a word in place.
    private var symbols: [Int32] = []
    private var wordStart: [Int] = []
    private var wordLength: [Int32] = []
    private var wordCount: [Int64] = []

    private var pairs = PairTable(capacity: 1 << 14)
    private var pairCount: [Int64] = []
    /// The last word recorded for the pair, so that each word is recorded once.
    private var pairLastWord: [UInt32] = []
    /// Number of words recorded for the pair since it was last queued.
    private var pairWordCount: [Int32] = []

    /// The words of queued pairs. A queue entry holds its range.
    private var places: [UInt32] = []
    private var queue = PairQueue()

    private var tokens = ByteStringTable(capacity: 1 << 14)
    private var merges: [(pair: UInt64, token: Int32)] = []

    private static let noWord = UInt32.max

    init(words: WordCounts, vocabularySize: Int, minFrequency: Int64) {
        self.vocabularySize = vocabularySize
        self.minFrequency = minFrequency
        for special in SpecialToken.allCases { _ = tokens.insert(Array(special.content.utf8)) }
        var idOfByte = [Int32](repeating: 0, count: 256)
        for byte in ByteLevelAlphabet.bytesInOrder { idOfByte[Int(byte)] = Int32(tokens.insert([byte]).index) }
        words.forEach { word, count in
            // A word of one byte contains no pairs.
            guard word.count > 1 else { return }
            wordStart.append(symbols.count)
            wordLength.append(Int32(word.count))
            wordCount.append(count)
            for byte in word { symbols.append(idOfByte[Int(byte)]) }
        }
    }

    /// - Parameter progress: called before each merge
    mutating func run(progress: () -> Void) {
        queueInitialPairs()
        var recorded: [(pair: Int32, word: UInt32)] = []
        while tokens.count < vocabularySize, let top = queue.first {
            progress()
            let count = pairCount[Int(top.index)]
            if top.count != count {
                queue.replaceFirstCount(count)
                continue
            }
            if count < minFrequency { break }
            queue.removeFirst()
            let token = newToken(top.pair)
            merges.append((top.pair, token))
            for place in top.placeStart..<top.placeEnd {
                merge(top.pair, into: token, word: places[place], recording: &recorded)
            }
            queueRecordedPairs(&recorded)
        }
    }

    /// Returns the token that the two tokens of `pair` merge into, identified by its bytes.
    private mutating func newToken(_ pair: UInt64) -> Int32 {
        var bytes = Array(tokens[Int(pair >> 32)])
        bytes += tokens[Int(pair & 0xFFFF_FFFF)]
        return Int32(tokens.insert(bytes).index)
    }

    private mutating func queueInitialPairs() {
        // Two passes over the words: the first counts the words of each pair, the second records them.
        for word in 0..<wordStart.count {
            for position in wordStart[word]..<wordStart[word] + Int(wordLength[word]) - 1 {
                let pair = indexOf(PairTable.pair(symbols[position], symbols[position + 1]))
                pairCount[pair] += wordCount[word]
                if pairLastWord[pair] != UInt32(word) {
                    pairLastWord[pair] = UInt32(word)
                    pairWordCount[pair] += 1
                }
            }
        }
        var next = [Int](repeating: 0, count: pairCount.count)
        var total = 0
        for pair in 0..<pairCount.count {
            next[pair] = total
            total += Int(pairWordCount[pair])
            queue.append(
                PairQueue.Entry(
                    count: pairCount[pair], pair: pairs.pairs[pair], index: Int32(pair), placeStart: next[pair],
                    placeEnd: total))
            pairWordCount[pair] = 0
            pairLastWord[pair] = Self.noWord
        }
        places = [UInt32](repeating: 0, count: total)
        for word in 0..<wordStart.count {
            for position in wordStart[word]..<wordStart[word] + Int(wordLength[word]) - 1 {
                let pair = indexOf(PairTable.pair(symbols[position], symbols[position + 1]))
                if pairLastWord[pair] != UInt32(word) {
                    pairLastWord[pair] = UInt32(word)
                    places[next[pair]] = UInt32(word)
                    next[pair] += 1
                }
            }
        }
        for pair in 0..<pairCount.count { pairLastWord[pair] = Self.noWord }
        queue.heapify()
    }

    @inline(__always)
    private mutating func indexOf(_ pair: UInt64) -> Int {
        let (index, isNew) = pairs.insert(pair)
        if isNew {
            pairCount.append(0)
            pairLastWord.append(Self.noWord)
            pairWordCount.append(0)
        }
        return index
    }

    /// Merges every occurrence of `pair` in one word from left to right, and updates the counts of the pairs that are
    /// removed and added. Added pairs are recorded.
    private mutating func merge(
        _ pair: UInt64, into token: Int32, word: UInt32, recording recorded: inout [(pair: Int32, word: UInt32)]
    ) {
        let first = Int32(truncatingIfNeeded: pair >> 32)
        let second = Int32(truncatingIfNeeded: pair)
        let start = wordStart[Int(word)]
        let end = start + Int(wordLength[Int(word)])
        let count = wordCount[Int(word)]
        var read = start
        var write = start
        while read < end {
            if symbols[read] == first && read + 1 < end && symbols[read + 1] == second {
                if write > start {
                    let before = symbols[write - 1]
                    pairCount[indexOf(PairTable.pair(before, first))] -= count
                    addOccurrences(PairTable.pair(before, token), count, word, &recorded)
                }
                if read + 2 < end {
                    let after = symbols[read + 2]
                    pairCount[indexOf(PairTable.pair(second, after))] -= count
                    addOccurrences(PairTable.pair(token, after), count, word, &recorded)
                }
                symbols[write] = token
                read += 2
            } else {
                symbols[write] = symbols[read]
                read += 1
            }
            write += 1
        }
        wordLength[Int(word)] = Int32(write - start)
    }

    @inline(__always)
    private mutating func addOccurrences(
        _ pair: UInt64, _ count: Int64, _ word: UInt32, _ recorded: inout [(pair: Int32, word: UInt32)]
    ) {
        let index = indexOf(pair)
        pairCount[index] += count
        if pairLastWord[index] != word {
            pairLastWord[index] = word
            pairWordCount[index] += 1
            recorded.append((Int32(index), word))
        }
    }

    /// Queues the recorded pairs, each with its words.
    private mutating func queueRecordedPairs(_ recorded: inout [(pair: Int32, word: UInt32)]) {
        let base = places.count
        places.append(contentsOf: repeatElement(0, count: recorded.count))
        var start = base
        for (pair, word) in recorded {
            let index = Int(pair)
            if pairWordCount[index] > 0 {
                // First occurrence: reserve the range of the pair. From now on, `pairWordCount` encodes the next free
                // index relative to `base`, as a negative number.
                let end = start + Int(pairWordCount[index])
                if pairCount[index] > 0 {
                    queue.insert(
                        PairQueue.Entry(
                            count: pairCount[index], pair: pairs.pairs[index], index: pair, placeStart: start,
                            placeEnd: end))
                }
                pairWordCount[index] = Int32(base - start - 1)
                start = end
            }
            places[base - Int(pairWordCount[index]) - 1] = word
            pairWordCount[index] -= 1
        }
        for (pair, _) in recorded {
            pairWordCount[Int(pair)] = 0
            pairLastWord[Int(pair)] = Self.noWord
        }
        recorded.removeAll(keepingCapacity: true)
    }

    /// Returns the trained model. A pair that was merged twice gets its later rank, as in Hugging Face's map of merges.
    consuming func model() throws(TokenizerError) -> BPEModel {
        var last = PairTable(capacity: merges.count)
        var lastRank: [Int] = []
        for (rank, merge) in merges.enumerated() {
            let (index, isNew) = last.insert(merge.pair)
            if isNew { lastRank.append(rank) } else { lastRank[index] = rank }
        }
        var kept: [BPEModel.Merge] = []
        for (rank, merge) in merges.enumerated() {
            guard let index = last.find(merge.pair), lastRank[Int(index)] == rank else { continue }
            kept.append(
                BPEModel.Merge(
                    first: Int32(truncatingIfNeeded: merge.pair >> 32), second: Int32(truncatingIfNeeded: merge.pair),
                    token: merge.token))
        }
        let contents = (0..<tokens.count).map { ByteLevelAlphabet.text(tokens[$0]) }
        return BPEModel(contents: contents, merges: kept)
    }
}
