/// Checks one number of JSON.
struct JSONNumber {
    private enum State {
        case sign, zero, integer, point, fraction, exponent, exponentSign, exponentDigits
    }

    private var state: State

    /// - Parameter first: a digit or a minus sign
    init(_ first: UInt8) {
        state = first == UInt8(ascii: "-") ? .sign : first == UInt8(ascii: "0") ? .zero : .integer
    }

    /// Whether there is only a minus sign.
    var isSign: Bool { state == .sign }

    /// Whether the number may end here.
    var isComplete: Bool {
        switch state {
        case .zero, .integer, .fraction, .exponentDigits: true
        case .sign, .point, .exponent, .exponentSign: false
        }
    }

    /// - Returns: whether the byte belongs to the number
    mutating func take(_ byte: UInt8) -> Bool {
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        let isExponent = byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
        switch (state, byte) {
        case (.sign, UInt8(ascii: "0")): state = .zero
        case (.sign, _) where isDigit: state = .integer
        case (.integer, _) where isDigit, (.fraction, _) where isDigit, (.exponentDigits, _) where isDigit: break
        case (.zero, UInt8(ascii: ".")), (.integer, UInt8(ascii: ".")): state = .point
        case (.point, _) where isDigit: state = .fraction
        case (.zero, _) where isExponent, (.integer, _) where isExponent, (.fraction, _) where isExponent:
            state = .exponent
        case (.exponent, UInt8(ascii: "+")), (.exponent, UInt8(ascii: "-")): state = .exponentSign
        case (.exponent, _) where isDigit, (.exponentSign, _) where isDigit: state = .exponentDigits
        default: return false
        }
        return true
    }
}
