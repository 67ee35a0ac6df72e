/// Whether Python's `str.isspace`, `str.split` and `\s` treat the character as white space.
public func isWhiteSpace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
}

/// Whether Python's `\w` matches the character: letters, characters with a numeric value, and `_`.
func isWordCharacter(_ scalar: UInt32) -> Bool {
    if scalar < 128 {
        return switch UInt8(scalar) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
    guard let properties = Unicode.Scalar(scalar)?.properties else { return false }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return properties.numericType != nil
    }
}

extension [UInt8] {
    /// Returns the character at `index` and its length in bytes. The bytes must be valid UTF-8.
    @inline(__always)
    func character(at index: Int) -> (scalar: UInt32, length: Int) {
        let first = UInt32(self[index])
        if first < 0x80 { return (first, 1) }
        if first < 0xE0 { return ((first & 0x1F) << 6 | continuation(index + 1), 2) }
        if first < 0xF0 { return ((first & 0x0F) << 12 | continuation(index + 1) << 6 | continuation(index + 2), 3) }
        let tail = continuation(index + 1) << 12 | continuation(index + 2) << 6 | continuation(index + 3)
        return ((first & 0x07) << 18 | tail, 4)
    }

    @inline(__always)
    private func continuation(_ index: Int) -> UInt32 { UInt32(self[index] & 0x3F) }

    /// Returns the character that ends before `index`, or nil at the start.
    func character(before index: Int) -> (scalar: UInt32, length: Int)? {
        guard index > 0 else { return nil }
        var start = index - 1
        while self[start] & 0xC0 == 0x80 { start -= 1 }
        return character(at: start)
    }
}
