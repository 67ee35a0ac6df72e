/// Suggestions for misspelled names.
package enum Spelling {
    /// Returns the known name with the smallest edit distance, or nil if all differ from `name` in more than a third of it.
    package static func nearest(to name: String, in known: some Sequence<String>) -> String? {
        let letters = Array(name.utf8)
        // A text longer than any name is not a misspelling of one, and the cost is the product of both lengths.
        guard letters.count <= 64 else { return nil }
        let distances = known.map { (name: $0, distance: distance(letters, Array($0.utf8))) }
        guard let best = distances.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }),
            best.distance <= max(1, letters.count / 3)
        else { return nil }
        return best.name
    }

    /// The edit distance: insertions, deletions, substitutions and swaps of neighboring letters ("optimal string
    /// alignment", Damerau 1964).
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...other.count)
        for i in 0..<one.count {
            var row = [i + 1]
            row.reserveCapacity(other.count + 1)
            for j in 0..<other.count {
                var best = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (one[i] == other[j] ? 0 : 1))
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] {
                    best = min(best, beforePrevious[j - 1] + 1)
                }
                row.append(best)
            }
            (beforePrevious, previous) = (previous, row)
        }
        return previous[other.count]
    }
}
