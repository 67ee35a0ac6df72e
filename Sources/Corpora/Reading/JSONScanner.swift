/// Parses one JSON value (RFC 8259) byte by byte and extracts the string in one field of a top-level object. If the
/// field occurs several times, the first one is used. Memory is limited to this string and one flag per nesting level.
struct JSONScanner {
    /// Maximum nesting depth of objects and arrays.
    static let deepest = 512

    enum Outcome: Equatable {
        case noJSON, tooDeep, noObject
        /// The field exists and is neither a string nor null.
        case noString
        /// - Parameter text: nil if the field is missing or null
        case text([UInt8]?, fieldCount: Int)
    }

    private enum State {
        case value, firstElement, firstName, name, colon, afterValue
        case string, escape, hexadecimal, number, literal
        case end, noJSON, tooDeep
    }

    private enum Number {
        case sign, zero, integer, point, fraction, exponent, exponentSign, exponentDigits
    }

    private let field: [UInt8]
    private var state = State.value
    /// For each open level, whether it is an object (rather than an array).
    private var levels: [Bool] = []
    private var isName = false
    private var isObject = false
    private var fieldCount = 0

    /// Whether the next value belongs to the requested field.
    private var isWanted = false
    private var isFound = false
    private var isString = true
    private var text: [UInt8]?
    /// The bytes of the current string, if needed. Of a name, only enough to compare it with the field.
    private var string: [UInt8] = []
    private var isKept = false

    private var digits = 0
    private var unit: UInt32 = 0
    /// The pending high surrogate of a `\u` escape pair.
    private var high: UInt32?
    private var number = Number.sign
    private var literal: StaticString = "null"
    private var literalIndex = 0

    init(field: [UInt8]) { self.field = field }

    mutating func reset() {
        state = .value
        levels.removeAll(keepingCapacity: true)
        (isObject, fieldCount) = (false, 0)
        (isWanted, isFound, isString, text) = (false, false, true, nil)
    }

    mutating func take(_ byte: UInt8) {
        switch state {
        case .string: takeInString(byte)
        case .escape: takeEscaped(byte)
        case .hexadecimal: takeHexadecimal(byte)
        case .literal:
            guard byte == literal.utf8Start[literalIndex] else { return state = .noJSON }
            literalIndex += 1
            if literalIndex == literal.utf8CodeUnitCount { endValue() }
        case .number:
            if takeInNumber(byte) { return }
            switch number {
            case .zero, .integer, .fraction, .exponentDigits: endValue()
            case .sign, .point, .exponent, .exponentSign: return state = .noJSON
            }
            take(byte)
        case .noJSON, .tooDeep: break
        default:
            if byte != 0x20, byte != 0x09, byte != 0x0D { takeBetween(byte) }
        }
    }

    /// Ends the input and returns the result.
    mutating func end() -> Outcome {
        // A number has no closing character: end it as white space would.
        if state == .number { take(0x20) }
        switch state {
        case .tooDeep: return .tooDeep
        case .end: break
        default: return .noJSON
        }
        guard isObject else { return .noObject }
        guard isString else { return .noString }
        return .text(text, fieldCount: fieldCount)
    }

    private mutating func takeBetween(_ byte: UInt8) {
        switch (state, byte) {
        case (.value, _): beginValue(byte)
        case (.firstElement, UInt8(ascii: "]")), (.firstName, UInt8(ascii: "}")): endLevel()
        case (.firstElement, _): beginValue(byte)
        case (.firstName, UInt8(ascii: "\"")), (.name, UInt8(ascii: "\"")):
            isName = true
            beginString(keeping: levels.count == 1)
        case (.colon, UInt8(ascii: ":")): state = .value
        case (.afterValue, UInt8(ascii: ",")): state = levels.last == true ? .name : .value
        case (.afterValue, UInt8(ascii: "}")) where levels.last == true: endLevel()
        case (.afterValue, UInt8(ascii: "]")) where levels.last == false: endLevel()
        default: state = .noJSON
        }
    }

    private mutating func beginValue(_ byte: UInt8) {
        if levels.isEmpty { isObject = byte == UInt8(ascii: "{") }
        let isText = isWanted && levels.count == 1
        if isText {
            isWanted = false
            isFound = true
            isString = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "n")
        }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard levels.count < Self.deepest else { return state = .tooDeep }
            levels.append(byte == UInt8(ascii: "{"))
            state = byte == UInt8(ascii: "{") ? .firstName : .firstElement
        case UInt8(ascii: "\""):
            isName = false
            beginString(keeping: isText)
        case UInt8(ascii: "n"): beginLiteral("null")
        case UInt8(ascii: "t"): beginLiteral("true")
        case UInt8(ascii: "f"): beginLiteral("false")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            state = .number
            number = byte == UInt8(ascii: "-") ? .sign : byte == UInt8(ascii: "0") ? .zero : .integer
        default: state = .noJSON
        }
    }

    private mutating func beginLiteral(_ word: StaticString) {
        (literal, literalIndex, state) = (word, 1, .literal)
    }

    private mutating func beginString(keeping isKept: Bool) {
        self.isKept = isKept
        string.removeAll(keepingCapacity: true)
        high = nil
        state = .string
    }

    private mutating func endLevel() {
        levels.removeLast()
        endValue()
    }

    private mutating func endValue() {
        state = levels.isEmpty ? .end : .afterValue
    }

    private mutating func endString() {
        guard isName else {
            if isKept { text = string }
            return endValue()
        }
        if levels.count == 1 {
            fieldCount += 1
            isWanted = !isFound && string == field
        }
        state = .colon
    }

    private mutating func takeInString(_ byte: UInt8) {
        if byte == UInt8(ascii: "\\") { return state = .escape }
        if high != nil { breakPair() }
        guard byte >= 0x20, state == .string else { return state = .noJSON }
        if byte == UInt8(ascii: "\"") { endString() } else { keep(byte) }
    }

    private mutating func takeEscaped(_ byte: UInt8) {
        let character: UInt8
        switch byte {
        case UInt8(ascii: "u"):
            (digits, unit, state) = (0, 0, .hexadecimal)
            return
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): character = byte
        case UInt8(ascii: "b"): character = 0x08
        case UInt8(ascii: "f"): character = 0x0C
        case UInt8(ascii: "n"): character = 0x0A
        case UInt8(ascii: "r"): character = 0x0D
        case UInt8(ascii: "t"): character = 0x09
        default: return state = .noJSON
        }
        state = .string
        if high != nil { breakPair() }
        keep(character)
    }

    private mutating func takeHexadecimal(_ byte: UInt8) {
        let digit: UInt8
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
        default: return state = .noJSON
        }
        unit = unit << 4 | UInt32(digit)
        digits += 1
        guard digits == 4 else { return }
        state = .string
        if let first = high, (0xDC00...0xDFFF).contains(unit) {
            high = nil
            return keepScalar(0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00))
        }
        if high != nil { breakPair() }
        switch unit {
        case 0xD800...0xDBFF: high = unit
        case 0xDC00...0xDFFF: breakPair()
        // Corpora contain no NUL.
        case 0: keepScalar(0xFFFD)
        default: keepScalar(unit)
        }
    }

    /// Handles an unpaired surrogate, which is an error if the string is kept.
    private mutating func breakPair() {
        high = nil
        if isKept { state = .noJSON }
    }

    private mutating func keepScalar(_ scalar: UInt32) {
        for byte in UTF8.encode(Unicode.Scalar(scalar)!)! { keep(byte) }
    }

    private mutating func keep(_ byte: UInt8) {
        guard isKept, !isName || string.count <= field.count else { return }
        string.append(byte)
    }

    /// - Returns: whether the byte belongs to the number
    private mutating func takeInNumber(_ byte: UInt8) -> Bool {
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        let isExponent = byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
        switch (number, byte) {
        case (.sign, UInt8(ascii: "0")): number = .zero
        case (.sign, _) where isDigit: number = .integer
        case (.integer, _) where isDigit, (.fraction, _) where isDigit, (.exponentDigits, _) where isDigit: break
        case (.zero, UInt8(ascii: ".")), (.integer, UInt8(ascii: ".")): number = .point
        case (.point, _) where isDigit: number = .fraction
        case (.zero, _) where isExponent, (.integer, _) where isExponent, (.fraction, _) where isExponent:
            number = .exponent
        case (.exponent, UInt8(ascii: "+")), (.exponent, UInt8(ascii: "-")): number = .exponentSign
        case (.exponent, _) where isDigit, (.exponentSign, _) where isDigit: number = .exponentDigits
        default: return false
        }
        return true
    }
}
