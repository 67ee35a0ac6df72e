/// Caches the ids of words. Its size is bounded: when it is full, it is cleared, and frequent words are merged again
/// once.
final class WordCache {
    private struct Slot {
        var hash: UInt64
        var keyOffset: UInt32
        var idOffset: UInt32
        /// 0 for a free slot.
        var keyCount: UInt16
        var idCount: UInt16
    }

    /// Longer words are not cached, because they rarely occur again.
    static let longestWord = 64
    private static let slotCount = 1 << 16
    private static let mostWords = slotCount / 2
    private static let keyCapacity = 1 << 19
    private static let idCapacity = 1 << 18

    private let slots: UnsafeMutablePointer<Slot>
    private let keys: UnsafeMutablePointer<UInt8>
    private let ids: UnsafeMutablePointer<Int32>
    private var wordCount = 0
    private var keyCount = 0
    private var idCount = 0

    init() {
        slots = .allocate(capacity: Self.slotCount)
        keys = .allocate(capacity: Self.keyCapacity)
        ids = .allocate(capacity: Self.idCapacity)
        clear()
    }

    deinit {
        slots.deallocate()
        keys.deallocate()
        ids.deallocate()
    }

    private func clear() {
        slots.initialize(
            repeating: Slot(hash: 0, keyOffset: 0, idOffset: 0, keyCount: 0, idCount: 0), count: Self.slotCount)
        (wordCount, keyCount, idCount) = (0, 0, 0)
    }

    /// Returns the ids of a cached word, or nil. Valid until the next `insert`.
    @inline(__always)
    func find(_ word: UnsafePointer<UInt8>, _ count: Int, hash: UInt64) -> UnsafeBufferPointer<Int32>? {
        var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
        while slots[index].keyCount != 0 {
            let slot = slots[index]
            if slot.hash == hash && Int(slot.keyCount) == count && byteEqual(keys + Int(slot.keyOffset), word, count) {
                return UnsafeBufferPointer(start: ids + Int(slot.idOffset), count: Int(slot.idCount))
            }
            index = (index &+ 1) & (Self.slotCount - 1)
        }
        return nil
    }

    /// - Parameter word: must not be in the cache; `1...longestWord` bytes
    func insert(_ word: UnsafePointer<UInt8>, _ count: Int, hash: UInt64, ids found: UnsafeBufferPointer<Int32>) {
        if wordCount == Self.mostWords || keyCount + count > Self.keyCapacity || idCount + found.count > Self.idCapacity
        {
            clear()
        }
        var index = Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)
        while slots[index].keyCount != 0 { index = (index + 1) & (Self.slotCount - 1) }
        slots[index] = Slot(
            hash: hash, keyOffset: UInt32(keyCount), idOffset: UInt32(idCount), keyCount: UInt16(count),
            idCount: UInt16(found.count))
        (keys + keyCount).update(from: word, count: count)
        if let start = found.baseAddress { (ids + idCount).update(from: start, count: found.count) }
        wordCount += 1
        keyCount += count
        idCount += found.count
    }
}
