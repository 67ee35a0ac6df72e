import Digests
import Durable
import Jobs

/// Corpora or shards that cannot be used.
public enum DatasetError: Error, CustomStringConvertible {
    /// A file could not be read or written.
    case file(DurableError)
    /// A file of token shards that is not as it was written, or was made from something else.
    case shard(path: String, field: String, expected: String, found: String)
    /// The file of a corpus does not hold the bytes that were admitted under its SHA-256.
    case otherBytes(name: String, sha256: String, path: String, found: String)

    public var description: String {
        switch self {
        case .file(let error): "\(error)"
        case .shard(let path, let field, let expected, let found):
            "\(path): \(field): expected \(expected), found \(found)"
        case .otherBytes(let name, let sha256, let path, let found):
            """
            the corpus ‘\(name)’ was changed or damaged since it was admitted: \(path) holds bytes of SHA-256 \
            \(found.prefix(12))…, not of its name. Put the file into the inbox again, or take the text out with \
            ‘kbctl corpora rm \(sha256.prefix(12))’
            """
        }
    }
}

extension DatasetError {
    package init(_ mismatch: DigestMismatch, of corpus: JobCorpus) {
        self = .otherBytes(name: corpus.name, sha256: corpus.sha256, path: corpus.path, found: mismatch.found)
    }
}
