/// Trains byte-level BPE tokenizers exactly as `ByteLevelBPETokenizer.train_from_iterator` of Hugging Face does, with
/// RoBERTa's five special tokens: the same vocabulary and the same merges, in the same order.
///
/// Each text added is one sequence: its end ends a word.
public final class BPETrainer {
    /// 256 bytes and five special tokens.
    public static let smallestVocabulary = 256 + SpecialToken.allCases.count

    private let vocabularySize: Int
    private let minFrequency: Int64
    private let words = WordCounts()

    /// - Parameters:
    ///   - vocabularySize: tokens at most; at least 261. Training ends earlier when no pair is frequent enough.
    ///   - minFrequency: how often a pair must occur to be merged; at least 1
    public init(vocabularySize: Int, minFrequency: Int) throws(TokenizerError) {
        guard vocabularySize >= Self.smallestVocabulary else {
            throw TokenizerError(
                path: "vocab_size", expected: "at least \(Self.smallestVocabulary), the bytes and the special tokens",
                found: "\(vocabularySize)")
        }
        guard vocabularySize <= Int(Int32.max) else {
            throw TokenizerError(path: "vocab_size", expected: "at most \(Int32.max)", found: "\(vocabularySize)")
        }
        guard minFrequency >= 1 else {
            throw TokenizerError(path: "min_frequency", expected: "at least 1", found: "\(minFrequency)")
        }
        self.vocabularySize = vocabularySize
        self.minFrequency = Int64(minFrequency)
    }

    /// Adds one text. Invalid UTF-8 counts as U+FFFD.
    public func addSequence(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count <= WordStream.bytesPerThread {
            words.add(text: bytes)
        } else {
            words.add(WordCounts.count(text: bytes))
        }
    }

    /// Adds one file, streamed: memory does not grow with its size.
    /// - Parameter progress: called after each block that was read
    public func addFile(_ path: String, progress: () -> Void = {}) throws(TokenizerError) {
        words.add(try WordCounts.count(file: path, progress: progress))
    }

    /// Adds one text that comes in pieces, streamed.
    /// - Parameter next: the next piece, whole characters; nil at the end
    public func addPieces(_ next: () throws -> String?) rethrows { words.add(try WordCounts.count(pieces: next)) }

    /// Bytes of memory that `train` takes, about.
    public var memory: Int { words.memory }

    /// Adds texts that have been counted before.
    public func add(_ counts: WordCounts) { words.add(counts) }

    /// Learns the merges. The published form comes out: `<mask>` takes the space before it, `<s> … </s>` around a text.
    /// - Parameter progress: called before each merge
    public func train(progress: () -> Void = {}) throws(TokenizerError) -> ByteLevelBPETokenizer {
        var merging = BPEMerging(words: words, vocabularySize: vocabularySize, minFrequency: minFrequency)
        merging.run(progress: progress)
        return ByteLevelBPETokenizer(model: try merging.model(), components: .published)
    }
}
