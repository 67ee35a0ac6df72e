import TextFilters

/// The lines, paragraphs and records of a corpus whose whole text occurred earlier in the run, for `dedupe_documents`, or
/// nearly so, for `near_duplicates`.
///
/// Long ones are returned in pieces before their end is known, so this requires a separate pass over the file.
struct RepeatedUnits {
    private var repeated = UnitSet()
    private var nearlyRepeated = UnitSet()

    /// - Parameters:
    ///   - filters: of which those for duplicates apply; the others have not been applied
    ///   - seen: the units of the corpora before this one
    ///   - progress: called periodically
    /// - Returns: nil if no filter needs them
    init?(
        _ filters: [TextFilter], _ pieces: @autoclosure () throws(DatasetError) -> UnitPieces, seen: SeenTexts,
        progress: () -> Void
    ) throws(DatasetError) {
        let isExact = filters.contains(.dedupeDocuments)
        let share: Double? = filters.lazy.compactMap { if case .nearDuplicates(let share) = $0 { share } else { nil } }
            .first
        guard isExact || share != nil else { return nil }
        var pieces = try pieces()
        var unit = -1
        var hash: UInt64 = 0
        var sketch = TextSketch()
        var hasText = false
        var count = 0
        func end() {
            guard hasText else { return }
            if isExact, !seen.insertDocument(hash: hash) { return repeated.insert(unit) }
            guard let share else { return }
            sketch.finish()
            if !seen.insertDocument(sketch, share: share) { nearlyRepeated.insert(unit) }
        }
        while let piece = try pieces.next() {
            count += 1
            if count % 1024 == 0 { progress() }
            if !piece.isContinuation {
                end()
                unit += 1
                (hash, hasText) = (0xcbf2_9ce4_8422_2325, false)
                if share != nil { sketch = TextSketch() }
            }
            for byte in piece.bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            if share != nil { sketch.append(piece.bytes) }
            // Units outside the used part of a file are dropped anyway.
            hasText = !piece.isOutside && (hasText || piece.bytes.contains { $0 > 0x20 })
        }
        end()
    }

    /// - Parameters:
    ///   - unit: its index in the file
    ///   - filter: one of those for duplicates
    func contains(_ unit: Int, for filter: TextFilter.Name) -> Bool {
        filter == .nearDuplicates ? nearlyRepeated.contains(unit) : repeated.contains(unit)
    }
}

/// Units of a file, by their index: one bit for each.
private struct UnitSet {
    private var bits: [UInt64] = []

    mutating func insert(_ unit: Int) {
        while bits.count <= unit / 64 { bits.append(0) }
        bits[unit / 64] |= 1 << UInt64(unit % 64)
    }

    func contains(_ unit: Int) -> Bool {
        unit / 64 < bits.count && bits[unit / 64] >> UInt64(unit % 64) & 1 == 1
    }
}
