import Durable
import Glibc

/// The secret that calls which change something carry.
public struct AccessToken: Sendable {
    /// 32 hexadecimal digits.
    public let text: String

    private init(_ text: String) { self.text = text }

    /// A new one.
    public init() {
        var generator = SystemRandomNumberGenerator()
        text = (0..<16).map { _ in
            let byte = String(UInt8.random(in: 0...255, using: &generator), radix: 16)
            return byte.utf8.count == 1 ? "0" + byte : byte
        }.joined()
    }

    /// The one that a file holds; where there is none, a new one is written into it, for owner and group to read.
    public init(file path: String) throws {
        if let bytes = try? Durable.read(path) {
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            if text.utf8.count >= 16 {
                self.init(text)
                return
            }
        }
        self.init()
        try Durable.write(text + "\n", to: path, mode: 0o640)
    }

    /// In a time that does not tell how much of it was right.
    func matches(_ given: some StringProtocol) -> Bool {
        let (given, expected) = (Array(given.utf8), Array(text.utf8))
        guard given.count == expected.count else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(given, expected) { difference |= a ^ b }
        return difference == 0
    }
}
