import CMalloc

/// Returns freed memory to the system, instead of keeping it between allocations for as long as the service runs.
///
/// glibc gives threads that allocate concurrently a heap each, up to eight per core, and keeps memory that is freed in the
/// middle of a heap. Over weeks, requests of many clients fragment all of them.
enum MallocTuning {
    /// Limits the number of heaps to two. Call it before many threads are started.
    static func limitHeaps() { mallopt(M_ARENA_MAX, 2) }

    /// Returns all free pages to the system, which takes milliseconds. Call it after freeing much memory.
    static func giveBack() { malloc_trim(0) }
}
