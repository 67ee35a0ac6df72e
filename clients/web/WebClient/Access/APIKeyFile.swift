import Durable
import Glibc
import LimitedLogging

/// The keys of a file, one on each line; `#` begins a comment. The file is read again when it changes.
public final class APIKeyFile: Sendable {
    static let byteLimit = 1 << 20
    static let keyLimit = 10_000

    public let path: String
    private let keys: ReloadedFiles<[String: APIKey]>

    /// - Throws: `APIKeyFileError`
    public init(path: String) throws(APIKeyFileError) {
        self.path = path
        keys = try ReloadedFiles([path]) { () throws(APIKeyFileError) in try Self.read(path) }
    }

    /// Number of keys.
    public var count: Int { keys.value.count }

    /// Returns the key that was sent, unless the file does not have it.
    ///
    /// Looks at most once in `interval` whether the file has changed. A file that cannot be read any more, or has an
    /// error, is reported, and the previous keys stay valid.
    package func key(_ given: some StringProtocol, checkingEvery interval: Duration = .seconds(1), log: LimitLog)
        -> APIKey?
    {
        guard given.utf8.count <= 256 else { return nil }
        keys.reload(
            every: interval, log: log, name: "keys", news: { [path] in "read \($0.count) keys again from \(path)" },
            remains: "the keys read before stay valid")
        return keys.value[APIKey.hash(of: given)]
    }

    private static func read(_ path: String) throws(APIKeyFileError) -> [String: APIKey] {
        let (bytes, mode) = try contents(path)
        guard mode & 0o002 == 0 else { throw .writable(path: path) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText(path: path) }
        var keys: [String: APIKey] = [:]
        var names: Set<String> = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let declaration = line.prefix { $0 != "#" }.filter { $0 != "\r" && $0 != "\r\n" }
            guard declaration.contains(where: { !$0.isWhitespace }) else { continue }
            let key: APIKey
            do throws(APIKeyLineError) { key = try APIKey(line: String(declaration)) } catch {
                throw .line(path: path, line: index + 1, error)
            }
            guard names.insert(key.name).inserted, keys.updateValue(key, forKey: key.hash) == nil else {
                throw .repeated(path: path, line: index + 1, name: key.name)
            }
            guard keys.count <= keyLimit else { throw .tooLarge(path: path) }
        }
        guard !keys.isEmpty else { throw .noKeys(path: path) }
        return keys
    }

    private static func contents(
        _ path: String
    ) throws(APIKeyFileError) -> (bytes: [UInt8], mode: mode_t) {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw .unreadable(path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = retrying { Glibc.read(descriptor, &piece, piece.count) }
            guard count >= 0 else { throw .unreadable(path: path, errno: errno) }
            if count == 0 { return (bytes, status.st_mode) }
            bytes += piece[..<count]
            guard bytes.count <= byteLimit else { throw .tooLarge(path: path) }
        }
    }
}

/// A key file that cannot be used.
public enum APIKeyFileError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, errno: Int32)
    case notAFile(path: String)
    case writable(path: String)
    case tooLarge(path: String)
    case notText(path: String)
    case noKeys(path: String)
    case repeated(path: String, line: Int, name: String)
    case line(path: String, line: Int, APIKeyLineError)

    public var description: String {
        switch self {
        case .unreadable(let path, let errno): "cannot read \(path): \(String(cString: strerror(errno)))"
        case .notAFile(let path): "\(path) is not a regular file"
        case .writable(let path): "any user can write to \(path): chmod o-w \(path)"
        case .tooLarge(let path):
            "\(path) has more than \(APIKeyFile.keyLimit) keys or \(APIKeyFile.byteLimit >> 20) MiB"
        case .notText(let path): "\(path) is not UTF-8"
        case .noKeys(let path): "\(path) has no keys; ‘kantaibert-web --new-key NAME >> \(path)’ adds one"
        case .repeated(let path, let line, let name):
            "\(path), line \(line): the name or the hash of ‘\(name)’ was declared before"
        case .line(let path, let line, let error): "\(path), line \(line): \(error)"
        }
    }
}
