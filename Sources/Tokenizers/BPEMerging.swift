/// The merge loop of BPE training, after `BpeTrainer::do_train` of Hugging Face: its result, not its data structures.
///
/// Three of its habits show in the result and are kept: a pair in the queue carries the words where it was when it was
/// queued, and only these are merged; a merged pair keeps its count; a token that can be made in two ways (`ab`+`c`,
/// `a`+`bc`, or by chance a special token) is one token with two merges.
struct BPEMerging: ~Copyable {
    private let vocabularySize: Int
    private let minFrequency: Int64

    /// Words as token ids, one after the other; a merge shortens a word in place.
    private var symbols: [Int32] = []
    private var wordStart: [Int] = []
    private var wordLength: [Int32] = []
    private var wordCount: [Int64] = []

    private var pairs = PairTable(capacity: 1 << 14)
    private var pairCount: [Int64] = []
    /// The word last noted for the pair, so that it is noted once.
    private var pairLastWord: [UInt32] = []
    /// Words noted for the pair since the last queueing.
    private var pairNoted: [Int32] = []

    /// Words of queued pairs; an entry of the queue holds its range.
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
            // A word of one byte has no pairs.
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
        var noted: [(pair: Int32, word: UInt32)] = []
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
                merge(top.pair, into: token, word: places[place], noting: &noted)
            }
            queueNoted(&noted)
        }
    }

    /// The token that the two of `pair` make, by its bytes.
    private mutating func newToken(_ pair: UInt64) -> Int32 {
        var bytes = Array(tokens[Int(pair >> 32)])
        bytes += tokens[Int(pair & 0xFFFF_FFFF)]
        return Int32(tokens.insert(bytes).index)
    }

    private mutating func queueInitialPairs() {
        // Twice over the words: first how many places each pair has, then the places themselves.
        for word in 0..<wordStart.count {
            for position in wordStart[word]..<wordStart[word] + Int(wordLength[word]) - 1 {
                let pair = indexOf(PairTable.pair(symbols[position], symbols[position + 1]))
                pairCount[pair] += wordCount[word]
                if pairLastWord[pair] != UInt32(word) {
                    pairLastWord[pair] = UInt32(word)
                    pairNoted[pair] += 1
                }
            }
        }
        var next = [Int](repeating: 0, count: pairCount.count)
        var total = 0
        for pair in 0..<pairCount.count {
            next[pair] = total
            total += Int(pairNoted[pair])
            queue.append(
                PairQueue.Entry(
                    count: pairCount[pair], pair: pairs.pairs[pair], index: Int32(pair), placeStart: next[pair],
                    placeEnd: total))
            pairNoted[pair] = 0
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
            pairNoted.append(0)
        }
        return index
    }

    /// Merges every `pair` of one word, left to right, and keeps the counts: pairs that were broken lose, pairs that
    /// came to be win and are noted.
    private mutating func merge(
        _ pair: UInt64, into token: Int32, word: UInt32, noting noted: inout [(pair: Int32, word: UInt32)]
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
                    win(PairTable.pair(before, token), count, word, &noted)
                }
                if read + 2 < end {
                    let after = symbols[read + 2]
                    pairCount[indexOf(PairTable.pair(second, after))] -= count
                    win(PairTable.pair(token, after), count, word, &noted)
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
    private mutating func win(
        _ pair: UInt64, _ count: Int64, _ word: UInt32, _ noted: inout [(pair: Int32, word: UInt32)]
    ) {
        let index = indexOf(pair)
        pairCount[index] += count
        if pairLastWord[index] != word {
            pairLastWord[index] = word
            pairNoted[index] += 1
            noted.append((Int32(index), word))
        }
    }

    /// Queues the noted pairs, each with its words.
    private mutating func queueNoted(_ noted: inout [(pair: Int32, word: UInt32)]) {
        let base = places.count
        places.append(contentsOf: repeatElement(0, count: noted.count))
        var start = base
        for (pair, word) in noted {
            let index = Int(pair)
            if pairNoted[index] > 0 {
                // The first time: reserve the pair's places. From here on `pairNoted` is minus the next free one − 1.
                let end = start + Int(pairNoted[index])
                if pairCount[index] > 0 {
                    queue.insert(
                        PairQueue.Entry(
                            count: pairCount[index], pair: pairs.pairs[index], index: pair, placeStart: start,
                            placeEnd: end))
                }
                pairNoted[index] = Int32(base - start - 1)
                start = end
            }
            places[base - Int(pairNoted[index]) - 1] = word
            pairNoted[index] -= 1
        }
        for (pair, _) in noted {
            pairNoted[Int(pair)] = 0
            pairLastWord[Int(pair)] = Self.noWord
        }
        noted.removeAll(keepingCapacity: true)
    }

    /// What was learned. A pair merged twice has the rank of the second time, as in Hugging Face's map of merges.
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
