import Durable

/// One sorted block of a mapped index. Every number read from the file is checked before it is used.
struct Block: Sendable {
    let record: BlockRecord
    private let file: MappedFile
    private let sha256: String

    /// - Parameter record: one that `IndexHeader` has checked against this file
    init(_ record: BlockRecord, in file: MappedFile, sha256: String) {
        self.record = record
        self.file = file
        self.sha256 = sha256
    }

    var tokens: Int { record.tokens }
    var words: Int { record.words }

    private func damaged(_ reason: String) -> Stop { .failed(.damaged(sha256: sha256, reason: reason)) }

    @inline(__always)
    private func number(_ base: Int, _ index: Int) -> Int {
        // `IndexHeader` has checked the sizes; this is the check that survives an error in our own code.
        let offset = base + 4 * index
        precondition(offset >= 0 && offset <= file.bytes.count - 4)
        return Int(UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    /// Returns the position in the text of the token with the given rank.
    @inline(__always)
    func position(_ rank: Int) throws(Stop) -> Int {
        precondition(rank >= 0 && rank < record.tokens)
        let entry = number(record.entries, rank)
        guard entry < record.textEnd - record.textStart else {
            throw damaged("entry \(rank) of a block is \(entry), beyond its end")
        }
        return record.textStart + entry
    }

    /// Returns the ranks of the occurrences of a distinct token. Empty for one that occurs only in the overlap.
    func entries(ofWord word: Int) throws(Stop) -> Range<Int> { try entries(ofWords: word..<(word + 1)) }

    func entries(ofWords words: Range<Int>) throws(Stop) -> Range<Int> {
        precondition(words.lowerBound >= 0 && words.upperBound <= record.words)
        let (lower, upper) = (number(record.wordStarts, words.lowerBound), number(record.wordStarts, words.upperBound))
        guard lower <= upper, upper <= record.tokens else {
            throw damaged("words \(words) of a block have entries \(lower) to \(upper)")
        }
        return lower..<upper
    }

    /// Returns the bytes of a distinct token.
    @inline(__always)
    func word(_ word: Int) throws(Stop) -> UnsafeBufferPointer<UInt8> {
        precondition(word >= 0 && word < record.words)
        let (lower, upper) = (number(record.wordEnds, word), number(record.wordEnds, word + 1))
        guard lower < upper, upper <= record.wordBytesCount, upper - lower <= TextView.maximumToken else {
            throw damaged("word \(word) of a block has bytes \(lower) to \(upper)")
        }
        let start = file.bytes.baseAddress! + record.wordBytes + lower
        return UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: upper - lower)
    }

    /// Returns the number of a token, or nil if the block does not have it.
    func find(_ token: UnsafePointer<UInt8>, _ count: Int) throws(Stop) -> Int? {
        var (lower, upper) = (0, record.words)
        while lower < upper {
            let middle = (lower + upper) / 2
            let word = try word(middle)
            let order = tokenOrder(word.baseAddress!, word.count, token, count)
            if order == 0 { return middle }
            if order < 0 { lower = middle + 1 } else { upper = middle }
        }
        return nil
    }
}

/// Why a search ends early.
enum Stop: Error {
    /// The deadline has passed.
    case deadline
    case failed(SearchError)
}
