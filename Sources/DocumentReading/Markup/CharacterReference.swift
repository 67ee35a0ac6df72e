import CXML

/// Resolves character references such as `&eacute;` and `&#233;`.
///
/// Names are those of HTML 4, which libxml2 knows. The names of Latin-1 may lack their semicolon, as browsers allow.
struct CharacterReferences {
    /// Maximum number of bytes between `&` and `;`.
    static let longest = 32
    private static let mostCached = 1024
    private var cache: [[UInt8]: UInt32] = [:]

    /// Resolves a reference.
    /// - Parameters:
    ///   - name: the bytes after `&`, without a semicolon
    ///   - isTerminated: whether a semicolon follows
    /// - Returns: the character and how many bytes of `name` it stands for, or nil if the text is to be read literally
    mutating func resolve(_ name: [UInt8], isTerminated: Bool) -> (scalar: Unicode.Scalar, used: Int)? {
        guard let first = name.first else { return nil }
        if first == UInt8(ascii: "#") { return numeric(name) }
        if isTerminated { return scalar(named: name).map { ($0, name.count) } }
        for count in stride(from: min(name.count, 6), through: 2, by: -1) {
            if let scalar = scalar(named: Array(name[..<count])), scalar.value < 0x100 { return (scalar, count) }
        }
        return nil
    }

    private func numeric(_ name: [UInt8]) -> (scalar: Unicode.Scalar, used: Int)? {
        let isHexadecimal = name.count > 1 && name[1] | 0x20 == UInt8(ascii: "x")
        let begin = isHexadecimal ? 2 : 1
        var (value, used): (UInt32, Int) = (0, begin)
        while used < name.count, let digit = Character(Unicode.Scalar(name[used])).hexDigitValue,
            isHexadecimal || digit < 10
        {
            value = min(value * (isHexadecimal ? 16 : 10) + UInt32(digit), 0x11_0000)
            used += 1
        }
        guard used > begin else { return nil }
        if (0x80...0x9F).contains(value) { value = Self.windows1252[Int(value) - 0x80] }
        return (value == 0 ? "\u{FFFD}" : Unicode.Scalar(value) ?? "\u{FFFD}", used)
    }

    private mutating func scalar(named name: [UInt8]) -> Unicode.Scalar? {
        if let cached = cache[name] { return cached == 0 ? nil : Unicode.Scalar(cached) }
        let value = lookUp(name) ?? (name.allSatisfy(\.isASCIIUpperCase) ? lookUpUpperCase(name) : nil) ?? 0
        if cache.count < Self.mostCached { cache[name] = value }
        return value == 0 ? nil : Unicode.Scalar(value)
    }

    private func lookUp(_ name: [UInt8]) -> UInt32? {
        (name + [0]).withUnsafeBufferPointer { htmlEntityLookup($0.baseAddress!)?.pointee.value }
    }

    /// Looks up the names that browsers also know in upper case.
    private func lookUpUpperCase(_ name: [UInt8]) -> UInt32? {
        ["AMP", "LT", "GT", "QUOT", "COPY", "REG"].contains { Array($0.utf8) == name }
            ? lookUp(name.map(\.asciiLowerCase)) : nil
    }

    /// What pages mean by references to control characters (WHATWG HTML, 13.2.5.80).
    private static let windows1252: [UInt32] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x9D, 0x017E, 0x0178,
    ]
}
