import Crypto
import Digests
import Formatting

/// A key that a program or person sends with each request. The file holds only its hash.
public struct APIKey: Sendable, Equatable {
    /// Names the key in the log and in errors: 1 to 64 letters, digits, `.`, `_` and `-`.
    public let name: String
    /// Whether it is accepted for changes, as the token is.
    public let isAdmin: Bool
    /// Maximum number of requests in a minute.
    public let perMinute: Int
    /// Maximum number of requests in progress.
    public let concurrent: Int
    /// SHA-256 in lowercase hexadecimal digits.
    let hash: String

    static let perMinuteDefault = 120
    static let concurrentDefault = 8
    private static let limits = 1...1_000_000

    /// Returns the hash by which a file identifies a key. A fast hash suffices: a key has 128 random bits and cannot be
    /// guessed like a password.
    static func hash(of key: some StringProtocol) -> String { SHA256.hash(data: Array(key.utf8)).hexadecimal }

    /// A random key, and the line that accepts it.
    public static func new(name: String) throws(APIKeyLineError) -> (key: String, line: String) {
        let key = "kb-\(AccessToken().text)"
        let line = "\(name) sha256:\(hash(of: key))"
        _ = try APIKey(line: line)
        return (key, line)
    }

    /// Parses `NAME sha256:HASH [admin] [per_minute=N] [concurrent=N]`.
    package init(line: String) throws(APIKeyLineError) {
        var words = line.split { $0 == " " || $0 == "\t" }.map(String.init)[...]
        let name = words.popFirst() ?? ""
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw .name(name.clipped(to: 80))
        }
        let hash = words.popFirst() ?? ""
        guard hash.hasPrefix("sha256:"), hash.utf8.count == 71, hash.utf8.dropFirst(7).allSatisfy(Self.isHexDigit)
        else { throw .hash(name: name) }
        var isAdmin = false
        var numbers = ["per_minute": Self.perMinuteDefault, "concurrent": Self.concurrentDefault]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if word == "admin" {
                isAdmin = true
            } else if parts.count == 2, numbers[String(parts[0])] != nil {
                guard let number = Int(parts[1]), Self.limits.contains(number) else {
                    throw .number(name: name, field: String(parts[0]), range: Self.limits)
                }
                numbers[String(parts[0])] = number
            } else {
                throw .unknownWord(name: name, word: word.clipped(to: 80))
            }
        }
        self.name = name
        self.hash = hash.dropFirst(7).lowercased()
        self.isAdmin = isAdmin
        perMinute = numbers["per_minute"]!
        concurrent = numbers["concurrent"]!
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

/// A line of a key file that does not declare a key.
public enum APIKeyLineError: Error, Equatable, CustomStringConvertible {
    case name(String)
    case hash(name: String)
    case number(name: String, field: String, range: ClosedRange<Int>)
    case unknownWord(name: String, word: String)

    public var description: String {
        switch self {
        case .name(let name):
            "‘\(name)’ is not a name: use 1 to 64 letters, digits, ‘.’, ‘_’ and ‘-’"
        case .hash(let name):
            "‘\(name)’ is not followed by ‘sha256:’ and 64 hexadecimal digits; "
                + "‘kantaibert-web --new-key \(name)’ prints such a line"
        case .number(let name, let field, let range):
            "‘\(field)’ of ‘\(name)’ must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .unknownWord(let name, let word):
            "‘\(word)’ of ‘\(name)’ is not known; after the hash can follow ‘admin’, ‘per_minute=N’ and ‘concurrent=N’"
        }
    }
}
