import Durable
import Glibc

/// The secret required by requests that make changes.
public struct AccessToken: Sendable {
    /// 32 hexadecimal digits.
    public let text: String

    /// Whether a token that others could have read was replaced.
    public private(set) var isReplaced = false

    private init(_ text: String) { self.text = text }

    /// Creates a random token.
    public init() {
        var generator = SystemRandomNumberGenerator()
        text = (0..<16).map { _ in
            let byte = String(UInt8.random(in: 0...255, using: &generator), radix: 16)
            return byte.utf8.count == 1 ? "0" + byte : byte
        }.joined()
    }

    /// Reads the token from a file, or creates it there.
    ///
    /// Only the owner can read the file, except in a setgid folder, where the group can read it too: the unit's folder
    /// belongs to the administrators' group. A token that belongs to this user but was readable by others is replaced.
    public init(file path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        var shared = stat()
        let isShared = stat(folder.isEmpty ? "/" : folder, &shared) == 0 && shared.st_mode & S_ISGID != 0
        let group = isShared ? shared.st_gid : nil
        if let found = Self.read(path) {
            let mayRead = found.status.st_mode & 0o077
            let isOpen = mayRead & ~0o040 != 0 || (mayRead != 0 && found.status.st_gid != group)
            guard isOpen, found.status.st_uid == geteuid() else {
                self.init(found.text)
                return
            }
            self.init()
            isReplaced = true
        } else {
            self.init()
        }
        try Durable.write(text + "\n", to: path, mode: group == nil ? 0o600 : 0o640)
    }

    /// - Returns: nil if the file does not exist or does not contain a token
    private static func read(_ path: String) -> (text: String, status: stat)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).filter { !$0.isWhitespace }
        return text.utf8.count >= 16 ? (text, status) : nil
    }

    /// Compares in constant time, so that the duration does not reveal how many characters match.
    func matches(_ given: some StringProtocol) -> Bool {
        let (given, expected) = (Array(given.utf8), Array(text.utf8))
        guard given.count == expected.count else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(given, expected) { difference |= a ^ b }
        return difference == 0
    }
}
