/// Amounts of memory and disk as systemd writes them: `4G`, `512M`, or a bare number of bytes.
enum ByteCountText {
    static let expected = "a number of bytes such as 512M or 4G"

    private static let factors: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]

    /// - Returns: bytes, not negative; nil where `text` is no such amount.
    static func bytes(_ text: String) -> Int? {
        var digits = Substring(text)
        var factor = 1.0
        if let last = digits.last, let known = factors[last] {
            factor = known
            digits.removeLast()
        }
        guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits) else {
            return nil
        }
        return Int(exactly: (number * factor).rounded())
    }
}
