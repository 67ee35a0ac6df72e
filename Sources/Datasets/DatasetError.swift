import Durable

/// Corpora or shards that cannot be used.
public enum DatasetError: Error, CustomStringConvertible {
    /// A file could not be read or written.
    case file(DurableError)
    /// A file of token shards that is not as it was written, or was made from something else.
    case shard(path: String, field: String, expected: String, found: String)

    public var description: String {
        switch self {
        case .file(let error): "\(error)"
        case .shard(let path, let field, let expected, let found):
            "\(path): \(field): expected \(expected), found \(found)"
        }
    }
}
