import Glibc

/// A zero-initialized memory region that is allocated and freed as a whole, backed by huge pages where available.
public final class Arena: @unchecked Sendable {
    // @unchecked: only the arena's creator calls `take`, before it shares the arena.
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private var used = 0

    /// Alignment of every allocation, in bytes: one cache line.
    public static let alignment = 64

    public static func rounded(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }

    /// - Parameter bytes: upper bound on all allocations together. Physical memory is committed on first write.
    public init(bytes: Int) {
        // Small arenas use 4 KB pages: a huge page would commit two megabytes.
        let hugePage = 2 << 20
        let page = bytes < hugePage ? 4096 : hugePage
        capacity = max((bytes + page - 1) & ~(page - 1), page)
        let mapped = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            fatalError("cannot map \(capacity) bytes: \(String(cString: strerror(errno)))")
        }
        base = mapped
        if page == hugePage { madvise(base, capacity, MADV_HUGEPAGE) }
    }

    deinit { munmap(base, capacity) }

    /// Allocates `count` zero-initialized elements that remain valid for the lifetime of the arena.
    public func take<Element: BitwiseCopyable>(_ type: Element.Type, _ count: Int) -> UnsafeMutablePointer<Element> {
        let bytes = Arena.rounded(count * MemoryLayout<Element>.stride)
        checked(used + bytes <= capacity, "arena overflow: capacity \(capacity) bytes, \(used + bytes) bytes requested")
        defer { used += bytes }
        return (base + used).bindMemory(to: type, capacity: max(count, 1))
    }

    public func matrix(rows: Int, columns: Int) -> Matrix {
        Matrix(take(Float.self, rows * columns), rows: rows, columns: columns)
    }

    public func vector(_ count: Int) -> Vector { Vector(take(Float.self, count), count: count) }
}
