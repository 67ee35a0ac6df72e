import Corpora
import Glibc
import Interface
import Database

/// The beginning of an admitted corpus, for `PreviewCorpus`.
package enum CorpusPreview {
    /// Maximum number of bytes that are read.
    static let mostBytes = 4096

    /// - Throws: `CorpusNotFound` if the store has no such corpus
    package static func read(_ sha256: String, directory: StateDirectory, metrics: StateStore) throws
        -> ManagerInterface.PreviewCorpus.Reply
    {
        // Only a name that was recorded is opened.
        guard sha256.utf8.count == 64, let record = try metrics.corpus(sha256: sha256), record.sha256 == sha256 else {
            throw ManagerInterface.CorpusNotFound(sha256: sha256)
        }
        let number = open("\(directory.corpus)/\(sha256)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard number >= 0 else { throw ManagerInterface.CorpusNotFound(sha256: sha256) }
        defer { close(number) }
        var bytes = [UInt8](repeating: 0, count: mostBytes)
        let count = max(0, pread(number, &bytes, bytes.count, 0))
        var end = count
        // The last character may be incomplete.
        if count == mostBytes {
            while end > 0, count - end < 4, bytes[end - 1] & 0xC0 == 0x80 { end -= 1 }
            if end > 0, bytes[end - 1] >= 0xC0 { end -= 1 }
        }
        return .init(text: String(decoding: bytes[..<end], as: UTF8.self), bytes: record.bytes)
    }
}
