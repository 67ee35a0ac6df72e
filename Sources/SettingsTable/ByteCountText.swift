/// Amounts of memory and disk in the notation of systemd: `4G`, `512M`, or a number of bytes.
enum ByteCountText {
    static let expected = "a number of bytes such as 512M or 4G"

    private static let factors: [(unit: Character, bytes: Int)] = [
        ("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10),
    ]

    /// - Returns: bytes, not negative; nil if `text` is not an amount
    static func bytes(_ text: String) -> Int? {
        var digits = Substring(text)
        var factor = 1
        if let last = digits.last, let known = factors.first(where: { $0.unit == last }) {
            factor = known.bytes
            digits.removeLast()
        }
        guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits) else {
            return nil
        }
        return Int(exactly: (number * Double(factor)).rounded())
    }

    /// Returns the amount in the largest unit of which it is a multiple.
    static func text(_ bytes: Int) -> String {
        guard bytes > 0, let (unit, size) = factors.first(where: { bytes % $0.bytes == 0 }) else { return "\(bytes)" }
        return "\(bytes / size)\(unit)"
    }
}
