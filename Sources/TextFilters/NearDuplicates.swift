import Glibc

/// The texts seen so far, by which later ones are recognized that have a share of their text in common with one of them.
///
/// Texts that agree in all values of a band of their sketches are compared value by value, of which 8 bits are kept
/// (b-bit minwise hashing: Li and König, WWW 2010). Everything is determined by the texts and their order. Not
/// thread-safe.
package final class NearDuplicates {
    /// How values are divided into bands, and how many of them two duplicates have in common.
    package struct Parameters: Equatable {
        /// Number of values in a band.
        package let rows: Int
        package let bands: Int
        /// Least number of equal values.
        package let leastEqual: Int

        /// The probability with which texts of just this share agree in a band.
        private static let leastRecall = 0.99

        package init(share: Double) {
            func recall(_ rows: Int) -> Double {
                1 - pow(1 - pow(share, Double(rows)), Double(TextSketch.values / rows))
            }
            rows = (3...10).last { recall($0) >= Self.leastRecall } ?? 3
            bands = TextSketch.values / rows
            // Different values have the same 8 bits once in 256 times.
            leastEqual = Int((Double(TextSketch.values) * (share + (1 - share) / 256)).rounded(.up))
        }
    }

    private let parameters: Parameters
    /// The lowest 8 bits of the values of each text.
    private var kept: [UInt8] = []
    private var count = 0
    private var table: BandTable
    private let mostTexts: Int

    /// Number of texts in each band that a text is compared with.
    private static let mostCandidates = 8

    private static let mostTexts = 1 << 19

    /// - Parameter mostTexts: number of texts that are kept; those after them are compared with them, but not kept. By
    ///   default, as many as fit into about 200 MB.
    package init(share: Double, mostTexts: Int? = nil) {
        parameters = Parameters(share: share)
        self.mostTexts = min(mostTexts ?? Self.mostTexts, BandTable.mostEntries / parameters.bands)
        table = BandTable(mostCandidates: Self.mostCandidates)
    }

    /// - Parameter sketch: is finished
    /// - Returns: false if the text is nearly one that was inserted before
    package func insert(_ sketch: TextSketch) -> Bool {
        let bits = sketch.values.map { UInt8(truncatingIfNeeded: $0) }
        let keys = (0..<parameters.bands).map { key(sketch, band: $0) }
        var compared: [UInt32] = []
        for key in keys {
            for text in table.texts(under: key) where !compared.contains(text) {
                if isDuplicate(bits, of: text) { return false }
                compared.append(text)
            }
        }
        guard count < mostTexts else { return true }
        for key in keys { table.insert(UInt32(count), under: key) }
        kept += bits
        count += 1
        return true
    }

    private func isDuplicate(_ bits: [UInt8], of text: UInt32) -> Bool {
        let begin = Int(text) * TextSketch.values
        var equal = 0
        for index in 0..<TextSketch.values where kept[begin + index] == bits[index] { equal += 1 }
        return equal >= parameters.leastEqual
    }

    private func key(_ sketch: TextSketch, band: Int) -> UInt32 {
        let begin = band * parameters.rows
        let hash = sketch.values[begin..<begin + parameters.rows].reduce(UInt64(band)) { TextSketch.mix($0 &+ $1) }
        return UInt32(truncatingIfNeeded: hash)
    }
}

/// Texts by the hashes of their bands: a hash table with linear probing.
private struct BandTable {
    /// Number of entries with which the table has its maximum size of 128 MB.
    static let mostEntries = 14 << 20

    private struct Entry {
        var key: UInt32 = 0
        /// The text's number plus one; zero for none.
        var text: UInt32 = 0
    }

    private var entries = [Entry](repeating: Entry(), count: 1 << 10)
    private var used = 0
    private let mostCandidates: Int

    init(mostCandidates: Int) { self.mostCandidates = mostCandidates }

    /// Returns the texts that were inserted first.
    func texts(under key: UInt32) -> [UInt32] {
        var texts: [UInt32] = []
        var place = Int(key) & (entries.count - 1)
        while entries[place].text > 0 {
            if entries[place].key == key { texts.append(entries[place].text - 1) }
            place = (place + 1) & (entries.count - 1)
        }
        return texts
    }

    /// A text that would be one of too many under its key is not inserted.
    mutating func insert(_ text: UInt32, under key: UInt32) {
        if used * 8 >= entries.count * 7 { grow() }
        guard texts(under: key).count < mostCandidates else { return }
        place(Entry(key: key, text: text + 1))
        used += 1
    }

    private mutating func place(_ entry: Entry) {
        var place = Int(entry.key) & (entries.count - 1)
        while entries[place].text > 0 { place = (place + 1) & (entries.count - 1) }
        entries[place] = entry
    }

    private mutating func grow() {
        let old = entries
        entries = [Entry](repeating: Entry(), count: 2 * old.count)
        for entry in old where entry.text > 0 { place(entry) }
    }
}
