import Glibc

/// Assigns indexes 0, 1, 2, … to distinct byte strings in order of insertion, stores each once, and keeps a counter for
/// each.
///
/// A hash table with open addressing. Each slot holds half of the hash, so that a miss rarely accesses the strings.
struct ByteStringTable: ~Copyable {
    private struct Entry {
        let hash: UInt64
        let offset: Int
        var tally: Int64
        let count: Int
    }

    /// `[mask + 1]`: upper half of the hash, then the index + 1; 0 for a free slot.
    private var slots: UnsafeMutablePointer<UInt64>
    private var mask: Int
    /// Capacity is half the number of slots.
    private var entries: UnsafeMutablePointer<Entry>
    private(set) var count = 0
    private var bytes: UnsafeMutablePointer<UInt8>
    private var byteCapacity: Int
    /// Total size in bytes of all strings.
    private(set) var totalBytes = 0

    init(capacity: Int = 64) {
        var slotCount = 128
        while slotCount < capacity * 2 { slotCount *= 2 }
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        mask = slotCount - 1
        entries = .allocate(capacity: slotCount / 2)
        byteCapacity = 1024
        bytes = .allocate(capacity: byteCapacity)
    }

    deinit {
        slots.deallocate()
        entries.deallocate()
        bytes.deallocate()
    }

    /// Returns the bytes of string `index`. Valid until the next `insert`.
    @inline(__always)
    subscript(index: Int) -> UnsafeBufferPointer<UInt8> {
        precondition(index >= 0 && index < count)
        return UnsafeBufferPointer(start: bytes + entries[index].offset, count: entries[index].count)
    }

    func tally(_ index: Int) -> Int64 {
        precondition(index >= 0 && index < count)
        return entries[index].tally
    }

    func find(_ text: [UInt8]) -> Int? {
        text.withUnsafeBufferPointer { text in
            let start = text.baseAddress ?? UnsafePointer(bytes)
            let slot = find(start, text.count, byteHash(start, text.count))
            return slots[slot] == 0 ? nil : Int(slots[slot] & 0xFFFF_FFFF) - 1
        }
    }

    /// - Returns: the index of the string, and whether it was inserted
    mutating func insert(_ text: [UInt8]) -> (index: Int, isNew: Bool) {
        let known = count
        let index = text.withUnsafeBufferPointer {
            let start = $0.baseAddress ?? UnsafePointer(bytes)
            return insert(start, $0.count)
        }
        return (index, index == known)
    }

    /// Inserts a string if necessary and adds to its counter.
    @inline(__always)
    mutating func add(_ text: UnsafePointer<UInt8>, _ count: Int, times: Int64) {
        // `insert` may reallocate `entries`, so it must be called first.
        let index = insert(text, count)
        entries[index].tally += times
    }

    @inline(__always)
    private mutating func insert(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let hash = byteHash(text, count)
        let slot = find(text, count, hash)
        if slots[slot] != 0 { return Int(truncatingIfNeeded: slots[slot] & 0xFFFF_FFFF) &- 1 }
        return append(text, count, hash, slot)
    }

    /// Returns the slot that holds the string, or the free slot where it would be inserted.
    @inline(__always)
    private func find(_ text: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if (slots[slot] ^ hash) >> 32 == 0 {
                let entry = entries + (Int(truncatingIfNeeded: slots[slot] & 0xFFFF_FFFF) &- 1)
                if entry.pointee.count == count
                    && (count == 0 || byteEqual(bytes + entry.pointee.offset, text, count))
                {
                    return slot
                }
            }
            slot = (slot &+ 1) & mask
        }
        return slot
    }

    @inline(never)
    private mutating func append(_ text: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, _ slot: Int) -> Int {
        precondition(self.count < Int(UInt32.max) - 1)
        if totalBytes + count > byteCapacity {
            byteCapacity = max(byteCapacity * 2, totalBytes + count)
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCapacity)
            memcpy(larger, bytes, totalBytes)
            bytes.deallocate()
            bytes = larger
        }
        memcpy(bytes + totalBytes, text, count)
        (entries + self.count).initialize(to: Entry(hash: hash, offset: totalBytes, tally: 0, count: count))
        totalBytes += count
        self.count += 1
        slots[slot] = (hash >> 32) << 32 | UInt64(self.count)
        if self.count * 2 > mask { grow() }
        return self.count - 1
    }

    private mutating func grow() {
        slots.deallocate()
        let slotCount = (mask + 1) * 2
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        mask = slotCount - 1
        let larger = UnsafeMutablePointer<Entry>.allocate(capacity: slotCount / 2)
        larger.moveInitialize(from: entries, count: count)
        entries.deallocate()
        entries = larger
        for index in 0..<count {
            let hash = entries[index].hash
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = (hash >> 32) << 32 | UInt64(index + 1)
        }
    }
}
