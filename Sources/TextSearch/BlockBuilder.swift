import CDivsufsort
import Glibc

/// Sorts one block after the other, reusing its memory.
///
/// Sorting bytes would sort five suffixes for each that begins a token. The distinct tokens, together with their
/// separators, are therefore numbered in their order, and the numbers are sorted, as big-endian byte strings.
final class BlockBuilder {
    /// A sorted block.
    struct Result {
        var record: BlockRecord
        var entries: UnsafeBufferPointer<UInt32>
        var wordStarts: [UInt32]
        var wordEnds: [UInt32]
        var wordBytes: [UInt8]
    }

    private let text: TextView
    private let blockTokens: Int
    private let blockSymbols: Int
    private let capacity: Int
    /// Beginning of each token, relative to the block; later the sorted entries.
    private let starts: UnsafeMutablePointer<UInt32>
    private let symbols: UnsafeMutablePointer<UInt32>
    private let codes: UnsafeMutablePointer<UInt8>
    private let suffixes: UnsafeMutablePointer<Int32>
    private var dictionary = SymbolDictionary()

    init(_ text: TextView, _ parameters: IndexParameters) throws(IndexError) {
        self.text = text
        blockTokens = min(max(1, parameters.blockTokens), IndexParameters.maximumBlockTokens)
        blockSymbols = max(1, parameters.blockSymbols)
        capacity = blockTokens + IndexFormat.overlap
        let bytes = capacity * (4 + 4 + 3 + 12)
        guard let starts = malloc(capacity * 4), let symbols = malloc(capacity * 4), let codes = malloc(capacity * 3),
            let suffixes = malloc(capacity * 12)
        else { throw .outOfMemory(bytes: bytes) }
        self.starts = starts.bindMemory(to: UInt32.self, capacity: capacity)
        self.symbols = symbols.bindMemory(to: UInt32.self, capacity: capacity)
        self.codes = codes.bindMemory(to: UInt8.self, capacity: capacity * 3)
        self.suffixes = suffixes.bindMemory(to: Int32.self, capacity: capacity * 3)
    }

    deinit {
        free(starts)
        free(symbols)
        free(codes)
        free(suffixes)
    }

    /// Builds the block that begins with the first token at or after `start`.
    /// - Parameter end: where it ends at the latest; a token that begins before it belongs to the block
    /// - Returns: nil if there is no token; `entries` are valid until the next call
    func build(from start: Int, to end: Int, isCancelled: () -> Bool) throws(IndexError) -> Result? {
        let first = text.firstToken(from: start)
        guard first < end else { return nil }
        let (owned, count, next) = try scan(from: first, to: end, isCancelled)
        let sorted = dictionary.sorted(text, base: first)
        try sort(count, ranks: sorted.ranks)
        guard !isCancelled() else { throw .cancelled }

        let width = Self.width(sorted.order.count)
        // `symbols` is no longer needed, so it receives the entries.
        var filled = 0
        for index in 0..<(count * width) {
            let (token, rest) = Int(suffixes[index]).quotientAndRemainder(dividingBy: width)
            guard rest == 0, token < owned else { continue }
            symbols[filled] = starts[token]
            filled += 1
        }
        precondition(filled == owned, "the suffix sort lost a suffix")
        let words = dictionary.words(sorted.order, text, base: first)
        return Result(
            record: BlockRecord(
                textStart: first, textEnd: min(next, end), tokens: owned, words: words.starts.count - 1, entries: 0,
                wordStarts: 0, wordEnds: 0, wordBytes: 0, wordBytesCount: words.bytes.count),
            entries: UnsafeBufferPointer(start: symbols, count: owned), wordStarts: words.starts,
            wordEnds: words.ends, wordBytes: words.bytes)
    }

    /// Splits the block into tokens and numbers the symbols in the order of their first occurrence.
    /// - Returns: the number of tokens of the block, that number including the overlap, and the end of the block
    private func scan(
        from first: Int, to end: Int, _ isCancelled: () -> Bool
    ) throws(IndexError) -> (owned: Int, count: Int, next: Int) {
        dictionary.removeAll()
        var position = first
        var count = 0
        var owned = 0
        var blockEnd: Int?
        while position < text.count {
            if count % 65_536 == 0, isCancelled() { throw .cancelled }
            if blockEnd == nil,
                position >= end || count == blockTokens || dictionary.count >= blockSymbols
            {
                blockEnd = position
                owned = count
            }
            if blockEnd != nil, count == owned + IndexFormat.overlap { break }
            let tokenEnd = text.tokenEnd(from: position)
            let (kind, next) = text.separator(at: tokenEnd)
            starts[count] = UInt32(position - first)
            symbols[count] = dictionary.number(
                text.base, start: position, count: tokenEnd - position, kind, base: first, isOwned: blockEnd == nil)
            count += 1
            // No match extends beyond the end of a sequence.
            if kind == .end, blockEnd != nil { break }
            position = kind == .end ? text.firstToken(from: tokenEnd) : next
        }
        return (blockEnd == nil ? count : owned, count, blockEnd ?? text.count)
    }

    private static func width(_ symbols: Int) -> Int { symbols <= 1 << 8 ? 1 : symbols <= 1 << 16 ? 2 : 3 }

    /// Sorts the suffixes of the numbered symbols into `suffixes`.
    private func sort(_ count: Int, ranks: [UInt32]) throws(IndexError) {
        let width = Self.width(ranks.count)
        precondition(count <= capacity && ranks.count <= 1 << 24)
        for index in 0..<count {
            let rank = ranks[Int(symbols[index])]
            switch width {
            case 1: codes[index] = UInt8(rank)
            case 2:
                codes[2 * index] = UInt8(rank >> 8)
                codes[2 * index + 1] = UInt8(rank & 0xFF)
            default:
                codes[3 * index] = UInt8(rank >> 16)
                codes[3 * index + 1] = UInt8(rank >> 8 & 0xFF)
                codes[3 * index + 2] = UInt8(rank & 0xFF)
            }
        }
        guard divsufsort(codes, suffixes, Int32(count * width)) == 0 else {
            throw .outOfMemory(bytes: count * width * 5)
        }
    }
}

/// The distinct symbols of a block: a token with the separator that follows it.
struct SymbolDictionary {
    private struct Symbol {
        /// Its first occurrence, relative to the block.
        var start: UInt32
        var hash: UInt32
        /// Number of occurrences in the block, without those in the overlap.
        var occurrences: UInt32
        var count: UInt16
        var separator: Separator
    }

    private var symbols: [Symbol] = []
    /// Open addressing. `UInt32.max` marks a free place.
    private var places: [UInt32] = []

    var count: Int { symbols.count }

    mutating func removeAll() {
        symbols.removeAll(keepingCapacity: true)
        places = [UInt32](repeating: .max, count: 1 << 12)
    }

    /// Returns the number of a symbol, in the order of first occurrences.
    @inline(__always)
    mutating func number(
        _ text: UnsafePointer<UInt8>, start: Int, count: Int, _ separator: Separator, base: Int, isOwned: Bool
    ) -> UInt32 {
        let hash = Self.hash(text + start, count, separator)
        var place = Int(hash) & (places.count - 1)
        while true {
            let number = places[place]
            if number == .max { break }
            let symbol = symbols[Int(number)]
            if symbol.hash == hash, Int(symbol.count) == count, symbol.separator == separator,
                memcmp(text + base + Int(symbol.start), text + start, count) == 0
            {
                if isOwned { symbols[Int(number)].occurrences += 1 }
                return number
            }
            place = (place + 1) & (places.count - 1)
        }
        let number = UInt32(symbols.count)
        symbols.append(
            Symbol(
                start: UInt32(start - base), hash: hash, occurrences: isOwned ? 1 : 0, count: UInt16(count),
                separator: separator))
        places[place] = number
        if symbols.count * 2 > places.count { grow() }
        return number
    }

    private mutating func grow() {
        places = [UInt32](repeating: .max, count: places.count * 4)
        for (number, symbol) in symbols.enumerated() {
            var place = Int(symbol.hash) & (places.count - 1)
            while places[place] != .max { place = (place + 1) & (places.count - 1) }
            places[place] = UInt32(number)
        }
    }

    @inline(__always)
    private static func hash(_ token: UnsafePointer<UInt8>, _ count: Int, _ separator: Separator) -> UInt32 {
        var hash = UInt64(count) << 8 | UInt64(separator.rawValue)
        var index = 0
        while index + 8 <= count {
            let word = UnsafeRawPointer(token + index).loadUnaligned(as: UInt64.self)
            hash = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
            hash ^= hash >> 29
            index += 8
        }
        while index < count {
            hash = (hash ^ UInt64(token[index])) &* 0x9e37_79b9_7f4a_7c15
            index += 1
        }
        hash ^= hash >> 32
        hash = hash &* 0xbf58_476d_1ce4_e5b9
        return UInt32(truncatingIfNeeded: hash >> 32)
    }

    /// Returns the numbers of the symbols in their order, and the rank of each.
    func sorted(_ text: TextView, base: Int) -> (order: [UInt32], ranks: [UInt32]) {
        // Most comparisons are decided by the first eight bytes.
        var keys: [(key: UInt64, number: UInt32)] = symbols.indices.map { number in
            let symbol = symbols[number]
            var key: UInt64 = 0
            for index in 0..<min(8, Int(symbol.count)) {
                key |= UInt64(text.base[base + Int(symbol.start) + index]) << (56 - 8 * UInt64(index))
            }
            return (key, UInt32(number))
        }
        keys.sort { left, right in
            if left.key != right.key { return left.key < right.key }
            let (left, right) = (symbols[Int(left.number)], symbols[Int(right.number)])
            let order = tokenOrder(
                text.base + base + Int(left.start), Int(left.count), text.base + base + Int(right.start),
                Int(right.count))
            return order == 0 ? left.separator < right.separator : order < 0
        }
        var ranks = [UInt32](repeating: 0, count: keys.count)
        for (rank, key) in keys.enumerated() { ranks[Int(key.number)] = UInt32(rank) }
        return (keys.map(\.number), ranks)
    }

    /// Returns the distinct tokens, where each begins among the sorted entries, and where in the bytes.
    func words(
        _ order: [UInt32], _ text: TextView, base: Int
    ) -> (starts: [UInt32], ends: [UInt32], bytes: [UInt8]) {
        var (starts, ends): ([UInt32], [UInt32]) = ([], [])
        var bytes: [UInt8] = []
        var entries: UInt32 = 0
        var previous: Symbol?
        for number in order {
            let symbol = symbols[Int(number)]
            let token = text.base + base + Int(symbol.start)
            let isSame =
                previous.map {
                    $0.count == symbol.count && memcmp(text.base + base + Int($0.start), token, Int(symbol.count)) == 0
                } ?? false
            if !isSame {
                starts.append(entries)
                ends.append(UInt32(bytes.count))
                bytes.append(contentsOf: UnsafeBufferPointer(start: token, count: Int(symbol.count)))
            }
            entries += symbol.occurrences
            previous = symbol
        }
        starts.append(entries)
        ends.append(UInt32(bytes.count))
        return (starts, ends, bytes)
    }
}
