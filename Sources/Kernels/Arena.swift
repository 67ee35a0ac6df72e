import Glibc

/// Zeroed memory taken in one piece and given back in one piece, in huge pages where the system has them.
public final class Arena: @unchecked Sendable {
    // @unchecked: taking is done by the one who makes the arena, before it is shared.
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private var used = 0

    /// Every piece begins on a cache line.
    public static let alignment = 64

    public static func rounded(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }

    /// - Parameter bytes: all that will ever be taken; pages are only backed by memory once written
    public init(bytes: Int) {
        // A small one takes the pages it touches: in one huge page it would hold two megabytes.
        let hugePage = 2 << 20
        let page = bytes < hugePage ? 4096 : hugePage
        capacity = max((bytes + page - 1) & ~(page - 1), page)
        let mapped = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            fatalError("no address space for \(capacity) bytes: \(String(cString: strerror(errno)))")
        }
        base = mapped
        if page == hugePage { madvise(base, capacity, MADV_HUGEPAGE) }
    }

    deinit { munmap(base, capacity) }

    /// `count` zeroes of a trivial type, for as long as the arena lives.
    public func take<Element: BitwiseCopyable>(_ type: Element.Type, _ count: Int) -> UnsafeMutablePointer<Element> {
        let bytes = Arena.rounded(count * MemoryLayout<Element>.stride)
        checked(used + bytes <= capacity, "the arena holds \(capacity) bytes, \(used + bytes) were asked for")
        defer { used += bytes }
        return (base + used).bindMemory(to: type, capacity: max(count, 1))
    }

    public func matrix(rows: Int, columns: Int) -> Matrix {
        Matrix(take(Float.self, rows * columns), rows: rows, columns: columns)
    }

    public func vector(_ count: Int) -> Vector { Vector(take(Float.self, count), count: count) }
}
