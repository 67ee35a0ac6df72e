import TextFilters

/// The lines, paragraphs and records of a corpus whose whole text occurred earlier in the run, for `dedupe_documents`.
///
/// Long ones are returned in pieces before their end is known, so this requires a separate pass over the file.
struct RepeatedUnits {
    /// One bit per unit, in file order.
    private var bits: [UInt64] = []

    /// - Parameters:
    ///   - seen: the units of the corpora before this one
    ///   - progress: called periodically
    init(_ pieces: UnitPieces, seen: SeenTexts, progress: () -> Void) throws(DatasetError) {
        var pieces = pieces
        var unit = -1
        var hash: UInt64 = 0
        var hasText = false
        var count = 0
        while let piece = try pieces.next() {
            count += 1
            if count % 1024 == 0 { progress() }
            if !piece.isContinuation {
                if hasText, !seen.insertDocument(hash: hash) { insert(unit) }
                unit += 1
                (hash, hasText) = (0xcbf2_9ce4_8422_2325, false)
            }
            for byte in piece.bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            // Units outside the used part of a file are dropped anyway.
            hasText = !piece.isOutside && (hasText || piece.bytes.contains { $0 > 0x20 })
        }
        if hasText, !seen.insertDocument(hash: hash) { insert(unit) }
    }

    private mutating func insert(_ unit: Int) {
        while bits.count <= unit / 64 { bits.append(0) }
        bits[unit / 64] |= 1 << UInt64(unit % 64)
    }

    /// - Parameter unit: its index in the file
    func contains(_ unit: Int) -> Bool {
        unit / 64 < bits.count && bits[unit / 64] >> UInt64(unit % 64) & 1 == 1
    }
}
