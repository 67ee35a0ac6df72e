/// The number and the size of the texts before and after a filter.
public struct FilterCount: Codable, Sendable, Equatable {
    public var filter: TextFilter.Name
    /// Number of texts before and after the filter.
    public var unitsBefore = 0
    public var unitsAfter = 0
    /// Their sizes in UTF-8 bytes.
    public var bytesBefore = 0
    public var bytesAfter = 0

    public init(_ filter: TextFilter.Name) { self.filter = filter }

    public mutating func addBefore(bytes: Int) {
        unitsBefore += 1
        bytesBefore += bytes
    }

    public mutating func addAfter(bytes: Int) {
        unitsAfter += 1
        bytesAfter += bytes
    }

    fileprivate static func += (a: inout FilterCount, b: FilterCount) {
        a.unitsBefore += b.unitsBefore
        a.unitsAfter += b.unitsAfter
        a.bytesBefore += b.bytesBefore
        a.bytesAfter += b.bytesAfter
    }
}

extension [FilterCount] {
    /// Adds the counts of another corpus, which may have other filters.
    public mutating func add(_ others: [FilterCount]) {
        var next = startIndex
        for other in others {
            if let index = self[next...].firstIndex(where: { $0.filter == other.filter }) {
                self[index] += other
                next = index + 1
            } else if let index = firstIndex(where: { $0.filter == other.filter }) {
                self[index] += other
            } else {
                append(other)
                next = endIndex
            }
        }
    }
}
