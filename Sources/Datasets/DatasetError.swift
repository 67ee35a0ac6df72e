import Digests
import Durable
import Jobs

/// The reason corpora or token shards cannot be used.
public enum DatasetError: Error, CustomStringConvertible {
    /// A file could not be read or written.
    case file(DurableError)
    /// A token shard file is damaged or was made from a different source.
    case shard(path: String, field: String, expected: String, found: String)
    /// The file of a corpus does not match the SHA-256 under which it was admitted.
    case otherBytes(name: String, sha256: String, path: String, found: String)

    /// A corpus is to be divided into conversations and has none.
    case noConversations(path: String)

    public var description: String {
        switch self {
        case .file(let error): "\(error)"
        case .shard(let path, let field, let expected, let found):
            "\(path): \(field): expected \(expected), found \(found)"
        case .noConversations(let path):
            "\(path) has no conversations, which ‘samples: conversations’ asks for; ‘samples: auto’ takes other text, too"
        case .otherBytes(let name, let sha256, let path, let found):
            """
            the corpus ‘\(name)’ was changed or damaged after it was admitted: the SHA-256 of \(path) is \
            \(found.prefix(12))…, which does not match its name. Put the file into the inbox again, or remove the \
            corpus with ‘kbctl corpora rm \(sha256.prefix(12))’
            """
        }
    }
}

extension DatasetError {
    package init(_ mismatch: DigestMismatch, of corpus: JobCorpus) {
        self = .otherBytes(name: corpus.name, sha256: corpus.sha256, path: corpus.path, found: mismatch.found)
    }
}
