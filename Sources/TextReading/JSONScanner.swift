import UTF8Sequences

/// Parses JSON as Python's `json` does: RFC 8259 with `NaN`, `Infinity` and `-Infinity`, lone surrogates in strings, and
/// the last of several fields with the same name. Stops after each record and extracts the strings at its paths.
///
/// Memory is limited to these strings and one entry per nesting level.
struct JSONScanner {
    /// Maximum nesting depth of objects and arrays.
    static let deepest = 512

    /// Where the records are.
    enum Layout: Equatable {
        /// They are the values of the input, each on new lines.
        case lines
        /// They are the elements of one array.
        case array
        /// They are the objects in the arrays that are fields of one object.
        case member
    }

    enum Failure: Error {
        case invalid, tooDeep
    }

    /// What was found at a path.
    enum Value: Equatable {
        case absent
        /// `null`, or NaN, which Python writes for a missing number.
        case null
        case notString
        case string
    }

    enum Kind {
        case object, string, other
    }

    private enum State {
        case value, firstElement, firstName, name, colon, afterValue
        case string, escape, number, literal, byteOrderMark
        /// After a value of the input; nothing else may follow on its line.
        case end
        /// After the only value.
        case finished
    }

    private struct Level {
        var isObject: Bool
        /// The paths that lead into this object.
        var paths: UInt64
        /// Whether all levels of the record down to this are objects.
        var isNested: Bool
    }

    // MARK: Results

    /// The values at the paths of the current record.
    private(set) var values: [Value]
    private(set) var texts: [[UInt8]]
    /// Numbers of lone surrogates and NUL characters that were replaced in each text.
    private(set) var replaced: [Int]
    /// The same for a record that is a string.
    private(set) var recordText: [UInt8] = []
    private(set) var recordReplaced = 0
    private(set) var kind = Kind.other
    /// The line of the next byte, and that on which the current record began.
    private(set) var line = 1
    private(set) var recordLine = 1
    /// Number of bytes of the current record.
    private(set) var recordBytes = 0
    /// Whether a record has begun and not ended.
    private(set) var isInRecord = false
    /// Number of fields of the outermost object that have an array of objects.
    private(set) var objectArrays = 0
    /// Index of the last field of the outermost object, counted from 1. A record in an array belongs to this field.
    private(set) var memberIndex = 0
    /// The beginnings of the first names of these fields, and whether one of the fields asked for is among them with a
    /// string. Only for records in the array of an object.
    private(set) var outerNames: Set<String> = []
    private(set) var hasOuterText = false
    /// Whether the names of the fields are recorded in `outline`.
    var isOutlining = true
    private(set) var outline = JSONOutline()

    // MARK: State

    private let paths: JSONPaths
    private let layout: Layout
    private let base: Int
    private var state = State.value
    private var levels: [Level] = []
    private var isName = false
    /// The paths that the next value ends, and those that lead into it.
    private var ends: UInt64 = 0
    private var leads: UInt64 = 0
    /// Whether the next value is that of a field asked for, but outside of the records.
    private var isOuterField = false
    private static let mostOuterNames = 256

    private var string = JSONString()
    /// Whether the current string is the text of the record itself.
    private var isRecordText = false
    /// The paths whose text the current string is.
    private var textTargets: UInt64 = 0
    private var number = JSONNumber(UInt8(ascii: "0"))
    private var literal: StaticString = "null"
    private var literalIndex = 0

    init(_ paths: JSONPaths, _ layout: Layout) {
        self.paths = paths
        self.layout = layout
        base =
            switch layout {
            case .lines: 0
            case .array: 1
            case .member: 2
            }
        values = Array(repeating: .absent, count: paths.paths.count)
        texts = Array(repeating: [], count: paths.paths.count)
        replaced = Array(repeating: 0, count: paths.paths.count)
    }

    /// Whether the input may end here.
    var isComplete: Bool {
        switch state {
        case .end, .finished: true
        case .value: levels.isEmpty && layout == .lines
        default: false
        }
    }

    /// Proceeds to the end of the next record, or to the end of the bytes.
    /// - Parameter index: in, where to begin; out, where to continue
    /// - Returns: whether a record ended
    /// - Throws: `Failure`, on `line`
    mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) throws(Failure) -> Bool {
        var start = index
        while index < bytes.count {
            let byte = bytes[index]
            let wasInRecord = isInRecord
            switch state {
            case .string:
                let first = index
                while index < bytes.count {
                    let byte = bytes[index]
                    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
                    index += 1
                }
                if index > first {
                    string.take(UnsafeBufferPointer(rebasing: bytes[first..<index]))
                    continue
                }
                index += 1
                switch byte {
                case UInt8(ascii: "\\"): state = .escape
                case UInt8(ascii: "\""): endString()
                default: throw .invalid
                }
            case .escape:
                guard let isComplete = string.takeEscaped(byte) else { throw .invalid }
                if isComplete { state = .string }
                index += 1
            case .literal:
                guard byte == literal.utf8Start[literalIndex] else { throw .invalid }
                literalIndex += 1
                index += 1
                if literalIndex == literal.utf8CodeUnitCount { endValue() }
            case .number:
                if number.isSign, byte == UInt8(ascii: "I") {
                    beginLiteral("Infinity")
                    index += 1
                } else if number.take(byte) {
                    index += 1
                } else {
                    try endNumber()
                }
            case .byteOrderMark:
                guard byte == UTF8Sequence.byteOrderMark[literalIndex] else { throw .invalid }
                literalIndex += 1
                index += 1
                if literalIndex == UTF8Sequence.byteOrderMark.count { state = .value }
            default:
                index += 1
                switch byte {
                case 0x20, 0x09, 0x0D: break
                case 0x0A:
                    line += 1
                    if state == .end { state = .value }
                default: try takeBetween(byte)
                }
            }
            if isInRecord != wasInRecord {
                if isInRecord {
                    start = index - 1
                    recordBytes = 0
                } else {
                    recordBytes += index - start
                    return true
                }
            }
        }
        if isInRecord { recordBytes += index - start }
        return false
    }

    /// Ends the input.
    /// - Returns: whether a record ended
    mutating func finish() throws(Failure) -> Bool {
        let wasInRecord = isInRecord
        // A number has no closing character.
        if state == .number { try endNumber() }
        guard isComplete else { throw .invalid }
        return wasInRecord
    }

    // MARK: Structure

    private mutating func takeBetween(_ byte: UInt8) throws(Failure) {
        switch (state, byte) {
        case (.value, _): try beginValue(byte)
        case (.firstElement, UInt8(ascii: "]")), (.firstName, UInt8(ascii: "}")): endLevel()
        case (.firstElement, _): try beginValue(byte)
        case (.firstName, UInt8(ascii: "\"")), (.name, UInt8(ascii: "\"")):
            isName = true
            let level = levels[levels.count - 1]
            let isKept =
                level.paths != 0 || isOuter
                || isOutlining && level.isNested && levels.count <= base + JSONOutline.deepest
            string.begin(keeping: isKept ? keptNameBytes : 0)
            state = .string
        case (.colon, UInt8(ascii: ":")): state = .value
        case (.afterValue, UInt8(ascii: ",")): state = levels[levels.count - 1].isObject ? .name : .value
        case (.afterValue, UInt8(ascii: "}")) where levels[levels.count - 1].isObject: endLevel()
        case (.afterValue, UInt8(ascii: "]")) where !levels[levels.count - 1].isObject: endLevel()
        default: throw .invalid
        }
    }

    private mutating func beginValue(_ byte: UInt8) throws(Failure) {
        if levels.isEmpty, layout == .lines, byte == UTF8Sequence.byteOrderMark[0] {
            (state, literalIndex) = (.byteOrderMark, 1)
            return
        }
        if levels.count == base, !isInRecord { beginRecord(byte) }
        if state == .firstElement, byte == UInt8(ascii: "{"), levels.count == 2, levels[0].isObject {
            objectArrays += 1
        }
        if isOuter {
            if isOuterField, byte == UInt8(ascii: "\"") { hasOuterText = true }
            isOuterField = false
        }
        let (ends, leads) = (self.ends, self.leads)
        (self.ends, self.leads) = (0, 0)
        if ends != 0 {
            set(
                ends,
                byte == UInt8(ascii: "\"")
                    ? .string : byte == UInt8(ascii: "n") || byte == UInt8(ascii: "N") ? .null : .notString)
        }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard levels.count < Self.deepest else { throw .tooDeep }
            let isObject = byte == UInt8(ascii: "{")
            let isRecord = isInRecord && levels.count == base
            let isNested = isObject && isInRecord && (isRecord || levels[levels.count - 1].isNested)
            levels.append(
                Level(isObject: isObject, paths: !isObject ? 0 : isRecord ? paths.all : leads, isNested: isNested))
            state = isObject ? .firstName : .firstElement
        case UInt8(ascii: "\""):
            isName = false
            isRecordText = isInRecord && levels.count == base
            textTargets = ends
            string.begin(keeping: ends != 0 || isRecordText ? .max : isOutlining ? JSONOutline.comparedBytes : 0)
            state = .string
        case UInt8(ascii: "n"): beginLiteral("null")
        case UInt8(ascii: "t"): beginLiteral("true")
        case UInt8(ascii: "f"): beginLiteral("false")
        case UInt8(ascii: "N"): beginLiteral("NaN")
        case UInt8(ascii: "I"): beginLiteral("Infinity")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            state = .number
            number = JSONNumber(byte)
        default: throw .invalid
        }
    }

    private mutating func beginRecord(_ byte: UInt8) {
        if layout == .array, levels[0].isObject { return }
        if layout == .member {
            guard levels[0].isObject, !levels[1].isObject, byte == UInt8(ascii: "{") else { return }
        }
        isInRecord = true
        recordLine = line
        kind = byte == UInt8(ascii: "{") ? .object : byte == UInt8(ascii: "\"") ? .string : .other
        for index in values.indices {
            values[index] = .absent
            replaced[index] = 0
        }
        if layout == .lines { objectArrays = 0 }
        if isOutlining { outline.reset() }
    }

    private mutating func endLevel() {
        levels.removeLast()
        endValue()
    }

    private mutating func endValue() {
        if isInRecord, levels.count == base { isInRecord = false }
        state = !levels.isEmpty ? .afterValue : layout == .lines ? .end : .finished
    }

    private mutating func set(_ mask: UInt64, _ value: Value) {
        for index in values.indices where mask & (1 << UInt64(index)) != 0 {
            values[index] = value
            replaced[index] = 0
        }
    }

    private mutating func beginLiteral(_ word: StaticString) {
        (literal, literalIndex, state) = (word, 1, .literal)
    }

    // MARK: Strings

    private mutating func endString() {
        string.finish()
        if isName { return endName() }
        for index in values.indices where textTargets & (1 << UInt64(index)) != 0 {
            // Copied: a buffer that is shared would be allocated again, with its largest capacity, for each string.
            texts[index].removeAll(keepingCapacity: true)
            texts[index] += string.text
            replaced[index] = string.replaced
        }
        if isRecordText {
            recordText.removeAll(keepingCapacity: true)
            recordText += string.text
            recordReplaced = string.replaced
        }
        if isOutlining, isInRecord, let level = levels.last, level.isNested {
            outline.endText(string.text, bytes: string.byteCount, depth: levels.count - base)
        }
        endValue()
    }

    private mutating func endName() {
        let level = levels[levels.count - 1]
        let depth = levels.count - base
        if levels.count == 1 { memberIndex += 1 }
        if isOuter {
            isOuterField = paths.matches(string.text, paths.all, depth: 1).ends != 0
            if outerNames.count < Self.mostOuterNames {
                outerNames.insert(String(decoding: string.text, as: UTF8.self))
            }
        }
        if level.paths != 0 {
            (ends, leads) = paths.matches(string.text, level.paths, depth: depth)
            // The last field of a name replaces those before.
            if leads != 0 { set(leads, .absent) }
        }
        if isOutlining, level.isNested { outline.add(string.text, depth: depth) }
        state = .colon
    }

    /// Whether the scanner is between the fields of the object around the records.
    private var isOuter: Bool { layout == .member && levels.count == 1 }

    private var keptNameBytes: Int { max(paths.keptNameBytes, JSONOutline.longestName) }

    private mutating func endNumber() throws(Failure) {
        guard number.isComplete else { throw .invalid }
        endValue()
    }

}

extension JSONScanner {
    /// Describes why the bytes at the current line are refused.
    func reason(_ failure: Failure) -> RejectionError {
        switch failure {
        case .invalid:
            let isLater = isInRecord && recordLine < line
            return RejectionError(
                "line \(line): invalid JSON" + (isLater ? " in the object that begins on line \(recordLine)" : ""))
        case .tooDeep: return RejectionError("line \(line): nested more than \(Self.deepest) levels deep")
        }
    }

    /// Describes that the file ends within a value.
    var endReason: RejectionError {
        RejectionError("line \(isInRecord ? recordLine : line): invalid JSON: the file ends inside of it")
    }
}
