import Glibc

/// Numbers distinct byte strings 0, 1, 2, … in the order they come; each is stored once.
///
/// Open addressing with half of the hash in the slot, so that a miss seldom touches the strings.
struct ByteStringTable: ~Copyable {
    private struct Entry {
        let hash: UInt64
        let offset: Int
        let count: Int
    }

    /// `[capacity]`: upper half of the hash, then the index + 1; 0 is free.
    private var slots: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private var entries: [Entry] = []
    private var bytes: UnsafeMutablePointer<UInt8>
    private var byteCapacity: Int
    private var byteCount = 0

    init(capacity: Int = 64) {
        var slotCount = 128
        while slotCount < capacity * 2 { slotCount *= 2 }
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        mask = slotCount - 1
        byteCapacity = 1024
        bytes = .allocate(capacity: byteCapacity)
    }

    deinit {
        slots.deallocate()
        bytes.deallocate()
    }

    var count: Int { entries.count }

    /// Bytes of all strings together.
    var totalBytes: Int { byteCount }

    /// The bytes of string `index`; valid until the next `insert`.
    @inline(__always)
    subscript(index: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: bytes + entries[index].offset, count: entries[index].count)
    }

    @inline(__always)
    func find(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        let hash = byteHash(text, count)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if let index = match(slots[slot], hash, text, count) { return index }
            slot = (slot &+ 1) & mask
        }
        return nil
    }

    func find(_ text: [UInt8]) -> Int? { text.withUnsafeBufferPointer { find($0.baseAddress ?? empty, $0.count) } }

    /// - Returns: the string's index, and whether it is new
    @inline(__always)
    mutating func insert(_ text: UnsafePointer<UInt8>, _ count: Int) -> (index: Int, isNew: Bool) {
        let hash = byteHash(text, count)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if let index = match(slots[slot], hash, text, count) { return (index, false) }
            slot = (slot &+ 1) & mask
        }
        return (append(text, count, hash, slot), true)
    }

    mutating func insert(_ text: [UInt8]) -> (index: Int, isNew: Bool) {
        text.withUnsafeBufferPointer { insert($0.baseAddress ?? empty, $0.count) }
    }

    private var empty: UnsafePointer<UInt8> { UnsafePointer(bytes) }

    @inline(__always)
    private func match(_ slot: UInt64, _ hash: UInt64, _ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        guard slot >> 32 == hash >> 32 else { return nil }
        let index = Int(slot & 0xFFFF_FFFF) &- 1
        return entries.withUnsafeBufferPointer { entries in
            let entry = entries[index]
            return entry.count == count && memcmp(bytes + entry.offset, text, count) == 0 ? index : nil
        }
    }

    private mutating func append(_ text: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, _ slot: Int) -> Int {
        precondition(entries.count < Int(UInt32.max) - 1)
        if byteCount + count > byteCapacity {
            let capacity = max(byteCapacity * 2, byteCount + count)
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
            memcpy(larger, bytes, byteCount)
            bytes.deallocate()
            bytes = larger
            byteCapacity = capacity
        }
        memcpy(bytes + byteCount, text, count)
        entries.append(Entry(hash: hash, offset: byteCount, count: count))
        byteCount += count
        slots[slot] = (hash >> 32) << 32 | UInt64(entries.count)
        if entries.count * 2 > mask { grow() }
        return entries.count - 1
    }

    private mutating func grow() {
        slots.deallocate()
        let slotCount = (mask + 1) * 2
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        mask = slotCount - 1
        for (index, entry) in entries.enumerated() {
            var slot = Int(truncatingIfNeeded: entry.hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = (entry.hash >> 32) << 32 | UInt64(index + 1)
        }
    }
}
