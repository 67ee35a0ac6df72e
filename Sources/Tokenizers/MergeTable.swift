/// Maps a pair of adjacent tokens to the rank of its merge and the resulting token.
final class MergeTable: @unchecked Sendable {
    // @unchecked: immutable after `init`.

    /// Rank in the upper 32 bits, token in the lower 32. Smaller values are merged first.
    typealias Found = UInt64
    static let none = Found.max

    private struct Slot {
        var pair: UInt64
        var found: Found
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int

    /// - Parameter merges: in rank order; if a pair occurs twice, the last one is used
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
            // The value of an empty slot is `none`.
            if slots[slot].pair == pair || slots[slot].pair == .max { return slots[slot].found }
            slot = (slot &+ 1) & mask
        }
    }
}
