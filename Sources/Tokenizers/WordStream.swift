import Glibc
import Parallel
import UTF8Sequences

/// Counts the words of a text that arrives in blocks. Uses one buffer, split at word boundaries, and one `WordCounts`
/// per thread. Memory grows with the number of distinct words, not with the length of the text.
final class WordStream {
    /// Number of bytes of text per thread in one round.
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

    /// Approximate memory in bytes used by the distinct words. A word counted by several threads is included several
    /// times.
    var wordMemory: Int { counts.reduce(0) { $0 + $1.memory } }

    deinit { buffer.deallocate() }

    /// Returns the unused part of the buffer, where the caller stores the next bytes. Never empty.
    func room() -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: buffer + filledCount, count: capacity - filledCount)
    }

    /// Processes `count` bytes that the caller stored in `room()`.
    func filled(_ count: Int) {
        filledCount += count
        if filledCount == capacity { countWhole() }
    }

    /// Appends bytes by copying them.
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

    /// Counts the remaining text and returns the counts of the whole text.
    func finish() -> WordCounts {
        process(filledCount)
        for other in counts.dropFirst() { counts[0].add(other) }
        return counts[0]
    }

    /// Counts the text up to the last possible cut and keeps the rest.
    private func countWhole() {
        let end = preTokenizer.lastCut(buffer, from: 0, to: filledCount) ?? cutWithoutSpaces()
        process(end)
        memmove(buffer, buffer + end, filledCount - end)
        filledCount -= end
    }

    /// Returns a cut in a text without white space, where only complete, valid characters determine the possible cuts.
    /// A word that fills the buffer is split into pieces at positions that do not depend on the number of threads.
    private func cutWithoutSpaces() -> Int {
        let whole = filledCount - UTF8Repair.unfinishedSuffix(buffer, filledCount)
        // Invalid bytes cannot be split wrongly: each becomes U+FFFD.
        guard UTF8Sequence.validPrefix(buffer, whole) == whole else { return whole }
        return preTokenizer.lastCutBetweenClasses(buffer, from: 0, to: whole)
            ?? preTokenizer.lastCutOfPieces(buffer, to: whole)
    }

    /// Counts the first `end` bytes, one piece per thread.
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
