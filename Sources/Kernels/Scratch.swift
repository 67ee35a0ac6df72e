import Synchronization

/// Temporary buffers for kernels, reused across calls.
enum Scratch {
    private struct Buffer: @unchecked Sendable {
        // @unchecked: a buffer is either in `idle` or owned by the caller that took it.
        let base: UnsafeMutableRawPointer
        let bytes: Int
    }

    private static let idle = Mutex<[Buffer]>([])
    /// Maximum number of idle buffers; more would belong to threads that have ended.
    private static let kept = 8

    /// Calls `body` with at least `bytes` bytes of uninitialized memory, aligned to a cache line.
    @inline(__always)
    static func with<Result>(bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
        let buffer = take(bytes)
        defer { give(buffer) }
        return body(buffer.base)
    }

    /// Returns the smallest idle buffer that is large enough, or a new one.
    private static func take(_ bytes: Int) -> Buffer {
        let found: Buffer? = idle.withLock { idle in
            let fitting = idle.indices.filter { idle[$0].bytes >= bytes }.min { idle[$0].bytes < idle[$1].bytes }
            return fitting.map { idle.remove(at: $0) }
        }
        if let found { return found }
        return Buffer(
            base: .allocate(byteCount: bytes, alignment: Arena.alignment), bytes: bytes)
    }

    private static func give(_ buffer: Buffer) {
        let surplus: Buffer? = idle.withLock { idle in
            idle.append(buffer)
            guard idle.count > kept else { return nil }
            return idle.remove(at: idle.indices.min { idle[$0].bytes < idle[$1].bytes }!)
        }
        surplus?.base.deallocate()
    }
}
