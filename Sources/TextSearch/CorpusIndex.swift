import Durable

/// An index of one corpus, mapped into memory together with its text. Immutable, and a cache: it can be built again from
/// the text at any time.
///
/// A text is a sequence of tokens:
/// - a word: letters, digits and combining marks, with single apostrophes and the like between letters;
/// - any other character that is not white space, with its combining marks: a punctuation mark, a symbol, or a character
///   of a script that is written without spaces.
///
/// Each token is followed by white space, immediately by the next token, or by the end. The index is an array of the
/// positions of all tokens, sorted by the text that begins there, and the sorted list of distinct tokens. All searches
/// compare tokens and ignore the amount and kind of white space, because lines of a corpus are often wrapped.
///
/// The text must not change while it is mapped.
public final class CorpusIndex: Sendable {
    /// SHA-256 of the text, in hexadecimal.
    public let sha256: String
    public let textBytes: Int
    public let indexBytes: Int
    /// Number of tokens of the text.
    public let tokens: Int
    /// Number of lines of the text, including a last one that is not terminated.
    public let lines: Int

    /// Builds the index of a text and publishes it atomically and durably at `path`, replacing an existing file.
    ///
    /// Blocks the calling thread. Uses at most `buildMemory(threads:)`, and disk space of at most
    /// `maximumIndexBytes(textBytes:)`.
    /// - Parameters:
    ///   - text: path of the text, a regular file that does not change
    ///   - sha256: SHA-256 of the text, 64 hexadecimal digits. It is recorded, not verified.
    ///   - path: where to write; the directory must exist and belong to the caller
    ///   - threads: number of threads that sort blocks, including the caller's
    ///   - progress: called with the number of bytes of the text that are indexed, from any of the threads
    public static func build(
        text: String, sha256: String, at path: String, threads: Int = 1,
        progress: @Sendable (Int) -> Void = { _ in }, isCancelled: @Sendable () -> Bool = { false }
    ) throws(IndexError) {
        throw .cancelled
    }

    /// Returns an upper bound of the size of an index, for checking free space before it is built. The usual size for
    /// English text is a fifth of it.
    public static func maximumIndexBytes(textBytes: Int) -> Int { 6 * textBytes + 65_536 }

    /// Returns an upper bound of the memory that `build` allocates, in addition to mapped files.
    public static func buildMemory(threads: Int) -> Int { threads << 28 }

    /// Maps a text and its index, and checks everything whose size does not depend on that of the text. Entries of the
    /// large arrays are checked whenever they are used, so a damaged index causes `SearchError.damaged`, wrong counts, or
    /// missing occurrences, and never an access outside of the files.
    /// - Parameters:
    ///   - text: path of the text
    ///   - index: path at which `build` published
    ///   - sha256: SHA-256 of the text, which the index must have recorded
    /// - Throws: `IndexError`; see `isResolvedByBuilding`
    public init(text: String, index: String, sha256: String) throws(IndexError) {
        throw .cancelled
    }
}
