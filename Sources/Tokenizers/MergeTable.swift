/// For a pair of adjacent tokens, the merge's rank and the token it makes.
final class MergeTable: @unchecked Sendable {
    // @unchecked: written in `init`, never again.

    /// Rank in the upper half, token in the lower; smaller is merged earlier.
    typealias Found = UInt64
    static let none = Found.max

    private struct Slot {
        var pair: UInt64
        var found: Found
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int

    /// - Parameter merges: in the order of their ranks; of a pair that comes twice the last counts
    init(_ merges: [BPEModel.Merge]) {
        var slotCount = 128
        while slotCount < merges.count * 3 { slotCount *= 2 }
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: Slot(pair: .max, found: Self.none), count: slotCount)
        mask = slotCount - 1
        for (rank, merge) in merges.enumerated() {
            let pair = PairTable.pair(merge.first, merge.second)
            var slot = slot(pair)
            while slots[slot].pair != .max && slots[slot].pair != pair { slot = (slot + 1) & mask }
            slots[slot] = Slot(pair: pair, found: UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merge.token)))
        }
    }

    deinit { slots.deallocate() }

    @inline(__always)
    private func slot(_ pair: UInt64) -> Int { Int(truncatingIfNeeded: folded(pair, 0x9E37_79B9_7F4A_7C15)) & mask }

    @inline(__always)
    func find(_ first: Int32, _ second: Int32) -> Found {
        let pair = PairTable.pair(first, second)
        var slot = slot(pair)
        while true {
            // An empty slot holds `none`.
            if slots[slot].pair == pair || slots[slot].pair == .max { return slots[slot].found }
            slot = (slot &+ 1) & mask
        }
    }
}
