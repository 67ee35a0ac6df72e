import Parallel

/// How work is cut for the thread pool: by its shape alone, never by the number of threads, so that results do not depend
/// on the machine's cores.
enum Tiles {
    /// Calls `body` with ranges of rows that together are `0..<count`, each of at most `size`.
    @inline(__always)
    static func forEach(_ count: Int, size: Int, _ body: (Range<Int>) -> Void) {
        ThreadPool.shared.forEach((count + size - 1) / size) { tile in
            body(tile * size..<min(count, (tile + 1) * size))
        }
    }

    /// Rows for a pass over memory: enough work to be worth handing out, little enough to stay in the L2 cache.
    static func rows(ofColumns columns: Int) -> Int { max(1, 16_384 / max(columns, 1)) }
}
