/// What all fields of a column have in common.
enum ColumnShape: Equatable {
    /// Numbers, dates and times.
    case number
    /// A few different words, each of which occurs often.
    case category(Set<[UInt8]>)
    /// Single words and identifiers.
    case word

    func matches(_ field: some Collection<UInt8>) -> Bool {
        if field.isEmpty { return true }
        return switch self {
        case .number: Self.isNumber(field)
        case .category(let words): Self.isWord(field) && words.contains(Array(field))
        case .word: Self.isWord(field)
        }
    }

    /// Whether a piece of text is unlikely to match by chance.
    var isDistinctive: Bool { self != .word }

    static func isNumber(_ field: some Collection<UInt8>) -> Bool {
        var hasDigit = false
        for byte in field {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): hasDigit = true
            case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: ":"),
                UInt8(ascii: "/"), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "T"), UInt8(ascii: "Z"),
                UInt8(ascii: "%"), UInt8(ascii: " "):
                break
            default: return false
            }
        }
        return hasDigit
    }

    static func isWord(_ field: some Collection<UInt8>) -> Bool {
        field.count <= 40 && !field.contains(UInt8(ascii: " "))
    }
}

/// Counts of the fields of one column in a sample of rows.
struct ColumnStatistics {
    private(set) var rows = 0
    /// Number of fields that have a value.
    private(set) var filled = 0
    private var numbers = 0
    private var words = 0
    private var bytes = 0
    private var spaces = 0
    private var distinct: Set<[UInt8]> = []

    private static let mostDistinct = 64

    mutating func add(_ field: Slice<UnsafeBufferPointer<UInt8>>) {
        rows += 1
        guard !MissingValue.isMark(field) else { return }
        filled += 1
        if ColumnShape.isNumber(field) { numbers += 1 }
        if ColumnShape.isWord(field) {
            words += 1
            if distinct.count <= Self.mostDistinct { distinct.insert(Array(field)) }
        }
        bytes += field.count
        spaces += field.count(where: { $0 == UInt8(ascii: " ") })
    }

    /// The shape of at least 19 of 20 fields.
    var shape: ColumnShape? {
        guard rows >= 3, filled * 2 > rows else { return nil }
        if numbers * 20 >= filled * 19 { return .number }
        guard words * 20 >= filled * 19 else { return nil }
        return distinct.count <= Self.mostDistinct && distinct.count * 4 <= filled ? .category(distinct) : .word
    }

    var meanBytes: Int { filled == 0 ? 0 : bytes / filled }

    /// Whether the fields look like text: several words, or one long one in a script without spaces.
    var isProse: Bool {
        filled > 0 && numbers * 2 < filled && (spaces >= 2 * filled || words * 2 < filled && meanBytes >= 12)
    }
}
