/// A heap of pairs, ordered by descending count, then by ascending pair. Counts may be stale; the caller checks the
/// first entry.
struct PairQueue {
    struct Entry {
        var count: Int64
        let pair: UInt64
        let index: Int32
        /// The words to merge, in `BPEMerging.places`.
        let placeStart: Int
        let placeEnd: Int

        @inline(__always)
        func isBefore(_ other: Entry) -> Bool { count != other.count ? count > other.count : pair < other.pair }
    }

    private var entries: [Entry] = []

    var first: Entry? { entries.first }

    /// Appends an entry without restoring the heap property. Call `heapify` afterwards.
    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func heapify() {
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    mutating func insert(_ entry: Entry) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            if !entry.isBefore(entries[parent]) { break }
            entries[index] = entries[parent]
            index = parent
        }
        entries[index] = entry
    }

    /// Updates the count of the first entry and moves the entry to its position.
    mutating func replaceFirstCount(_ count: Int64) {
        entries[0].count = count
        siftDown(0)
    }

    mutating func removeFirst() {
        let last = entries.removeLast()
        if entries.isEmpty { return }
        entries[0] = last
        siftDown(0)
    }

    private mutating func siftDown(_ start: Int) {
        entries.withUnsafeMutableBufferPointer { entries in
            let moving = entries[start]
            var index = start
            while true {
                var child = 2 * index + 1
                if child >= entries.count { break }
                if child + 1 < entries.count && entries[child + 1].isBefore(entries[child]) { child += 1 }
                if !entries[child].isBefore(moving) { break }
                entries[index] = entries[child]
                index = child
            }
            entries[index] = moving
        }
    }
}
