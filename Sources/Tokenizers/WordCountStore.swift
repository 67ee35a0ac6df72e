import Durable
import Glibc

/// A cache of word counts by the SHA-256 of their corpus, so that a large corpus is read only once, however often the
/// tokenizer is trained. Counting a small one takes no longer than reading its counts would, so those are not saved.
public struct WordCountStore: Sendable {
    /// Size in bytes of the smallest corpus whose counts are saved.
    static let smallestFile = 16 << 10

    public let directory: String

    /// - Parameter directory: created when the first counts are saved
    public init(directory: String) { self.directory = directory }

    /// Returns the saved counts of a corpus. If there are none, or they are damaged, counts the words in `file` and
    /// saves the result unless the file is small.
    /// - Parameters:
    ///   - memoryLimit: as for `WordCounts.count`; not applied to saved counts
    ///   - progress: called after each block that is read from `file`
    /// - Throws: `TokenizerError` if `file` cannot be read or has too many distinct words; `DigestMismatch` if it does
    ///   not match the SHA-256; `DurableError` if the counts cannot be saved
    public func counts(
        sha256: String, file: String, memoryLimit: Int? = nil, progress: () -> Void = {}
    ) throws -> WordCounts {
        if let text = try? Durable.read(file, atMost: Self.smallestFile - 1) {
            return try WordCounts.count(text: text, sha256: sha256, path: file)
        }
        let path = path(sha256)
        if access(path, F_OK) == 0, let kept = try? WordCounts.load(path) { return kept }
        let counts = try WordCounts.count(file: file, sha256: sha256, memoryLimit: memoryLimit, progress: progress)
        try Durable.makeDirectory(directory)
        try counts.save(path)
        return counts
    }

    /// Removes the files that killed processes have left.
    public func clearLeftovers() throws(DurableError) {
        guard access(directory, F_OK) == 0 else { return }
        try TemporaryName.clearLeftovers(in: directory)
    }

    /// Removes the saved counts of a corpus, if any.
    public func remove(sha256: String) { unlink(path(sha256)) }

    private func path(_ sha256: String) -> String { directory + "/" + sha256 + ".words" }
}
