/// Assigns indexes 0, 1, 2, … to pairs of token ids in order of insertion. A pair is one integer with the first id in
/// the upper 32 bits, so that integers and pairs have the same order.
struct PairTable: ~Copyable {
    private static let free = UInt64.max

    private var keys: UnsafeMutablePointer<UInt64>
    private var indexes: UnsafeMutablePointer<Int32>
    private var mask: Int
    private(set) var pairs: [UInt64] = []

    init(capacity: Int = 64) {
        var slotCount = 128
        while slotCount < capacity * 2 { slotCount *= 2 }
        keys = .allocate(capacity: slotCount)
        keys.initialize(repeating: Self.free, count: slotCount)
        indexes = .allocate(capacity: slotCount)
        mask = slotCount - 1
    }

    deinit {
        keys.deallocate()
        indexes.deallocate()
    }

    @inline(__always)
    static func pair(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    @inline(__always)
    private func slot(_ pair: UInt64) -> Int { Int(truncatingIfNeeded: folded(pair, 0x9E37_79B9_7F4A_7C15)) & mask }

    @inline(__always)
    func find(_ pair: UInt64) -> Int32? {
        var slot = slot(pair)
        while keys[slot] != Self.free {
            if keys[slot] == pair { return indexes[slot] }
            slot = (slot &+ 1) & mask
        }
        return nil
    }

    /// - Returns: the index of the pair, and whether it was inserted
    @inline(__always)
    mutating func insert(_ pair: UInt64) -> (index: Int, isNew: Bool) {
        var slot = slot(pair)
        while keys[slot] != Self.free {
            if keys[slot] == pair { return (Int(indexes[slot]), false) }
            slot = (slot &+ 1) & mask
        }
        keys[slot] = pair
        indexes[slot] = Int32(pairs.count)
        pairs.append(pair)
        if pairs.count * 2 > mask { grow() }
        return (pairs.count - 1, true)
    }

    private mutating func grow() {
        keys.deallocate()
        indexes.deallocate()
        let slotCount = (mask + 1) * 2
        keys = .allocate(capacity: slotCount)
        keys.initialize(repeating: Self.free, count: slotCount)
        indexes = .allocate(capacity: slotCount)
        mask = slotCount - 1
        for (index, pair) in pairs.enumerated() {
            var slot = slot(pair)
            while keys[slot] != Self.free { slot = (slot + 1) & mask }
            keys[slot] = pair
            indexes[slot] = Int32(index)
        }
    }
}
