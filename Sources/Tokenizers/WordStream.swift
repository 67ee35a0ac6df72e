import Glibc
import Parallel

/// Counts words of a text that arrives in blocks: one buffer, cut where no word can span, one `WordCounts` a thread. Its
/// memory does not grow with the text, but with the different words.
final class WordStream {
    /// Bytes of text a thread gets at a time.
    static let bytesPerThread = 1 << 20

    private let preTokenizer = PreTokenizer()
    private let counts: [WordCounts]
    private let buffer: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private var filledCount = 0

    init(threads: Int) {
        counts = (0..<threads).map { _ in WordCounts() }
        capacity = threads * Self.bytesPerThread
        buffer = .allocate(capacity: capacity)
    }

    /// Bytes of memory that the different words take, about; some are counted by several threads.
    var wordMemory: Int { counts.reduce(0) { $0 + $1.memory } }

    deinit { buffer.deallocate() }

    /// Where the next bytes of the text go; never empty.
    func room() -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: buffer + filledCount, count: capacity - filledCount)
    }

    /// Takes the `count` bytes that were put into `room`.
    func filled(_ count: Int) {
        filledCount += count
        if filledCount == capacity { countWhole() }
    }

    /// Copies the next bytes of the text.
    func append(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count {
            let room = room()
            let count = min(room.count, bytes.count - position)
            memcpy(room.baseAddress!, bytes.baseAddress! + position, count)
            filled(count)
            position += count
        }
    }

    /// Counts what is left and returns the counts of the whole text.
    func finish() -> WordCounts {
        process(filledCount)
        for other in counts.dropFirst() { counts[0].add(other) }
        return counts[0]
    }

    /// Counts up to the last place where the text can be cut and keeps the rest.
    private func countWhole() {
        let end = preTokenizer.lastCut(buffer, from: 0, to: filledCount) ?? cutWithoutSpaces()
        process(end)
        memmove(buffer, buffer + end, filledCount - end)
        filledCount -= end
    }

    /// Text without white space: only whole and valid characters tell where it can be cut. A word that fills the buffer is
    /// cut into pieces, at the same places as if it were counted as a whole: they do not depend on the number of threads.
    private func cutWithoutSpaces() -> Int {
        let whole = filledCount - UTF8Repair.unfinishedSuffix(buffer, filledCount)
        // Bytes of no character make no words that could be told apart.
        guard UTF8Repair.validPrefix(buffer, whole) == whole else { return whole }
        return preTokenizer.lastCutBetweenClasses(buffer, from: 0, to: whole)
            ?? preTokenizer.lastCutOfPieces(buffer, to: whole)
    }

    /// Counts the first `end` bytes, a piece a thread.
    private func process(_ end: Int) {
        var cuts = [0]
        for thread in 1..<max(counts.count, 1) {
            let wanted = end * thread / counts.count
            if let cut = preTokenizer.lastCut(buffer, from: cuts[cuts.count - 1], to: wanted) { cuts.append(cut) }
        }
        cuts.append(end)
        let pieces = cuts.count - 1
        ThreadPool.shared.forEach(pieces) { piece in
            let bytes = UnsafeRawBufferPointer(start: buffer + cuts[piece], count: cuts[piece + 1] - cuts[piece])
            counts[piece].add(text: bytes)
        }
    }
}
