import CMalloc

/// Memory that was freed goes back to the system, instead of lying between what is in use for as long as the service runs.
///
/// glibc gives threads that allocate at once a heap each, eight for every core, and keeps what is freed in the middle of
/// a heap. Many clients of a service of weeks spread what they need over all of them.
enum MallocTuning {
    /// Two heaps, for two cores. To be called before there are many threads.
    static func limitHeaps() { mallopt(M_ARENA_MAX, 2) }

    /// Whole pages that are free, wherever they lie. It takes milliseconds; to be called after much was freed.
    static func giveBack() { malloc_trim(0) }
}
