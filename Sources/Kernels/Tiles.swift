import Parallel

/// Splits work for the thread pool by its shape alone, never by the number of threads, so that results do not depend on
/// the number of cores.
enum Tiles {
    /// Calls `body` with ranges of at most `size` rows that together cover `0..<count`.
    @inline(__always)
    static func forEach(_ count: Int, size: Int, _ body: (Range<Int>) -> Void) {
        ThreadPool.shared.forEach((count + size - 1) / size) { tile in
            body(tile * size..<min(count, (tile + 1) * size))
        }
    }

    /// Returns the number of rows per tile for a memory-bound pass: enough work to amortize scheduling, little enough
    /// to fit in the L2 cache.
    static func rows(ofColumns columns: Int) -> Int { max(1, 16_384 / max(columns, 1)) }
}
