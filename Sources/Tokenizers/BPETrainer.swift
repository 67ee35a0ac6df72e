/// Trains byte-level BPE tokenizers with the same result as Hugging Face's `ByteLevelBPETokenizer.train_from_iterator`
/// with RoBERTa's five special tokens: the same vocabulary, and the same merges in the same order.
///
/// Each text that is added is one sequence: a word never spans two texts.
public final class BPETrainer {
    /// The smallest vocabulary size: 256 bytes and five special tokens.
    public static let smallestVocabulary = 256 + SpecialToken.allCases.count

    private var vocabularySize: Int
    private let minFrequency: Int64
    private let words = WordCounts()

    /// - Parameters:
    ///   - vocabularySize: maximum number of tokens, at least 261. Training stops early if no pair is frequent enough.
    ///   - minFrequency: minimum number of occurrences of a pair to be merged, at least 1
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

    /// Adds one text. Invalid UTF-8 is treated as U+FFFD.
    public func addSequence(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count <= WordStream.bytesPerThread {
            words.add(text: bytes)
        } else {
            words.add(WordCounts.count(text: bytes))
        }
    }

    /// Adds one file. The file is streamed, so memory does not grow with its size.
    /// - Parameter progress: called after each block
    public func addFile(_ path: String, progress: () -> Void = {}) throws(TokenizerError) {
        words.add(try WordCounts.count(file: path, progress: progress))
    }

    /// Adds one text that is streamed in pieces.
    /// - Parameter next: returns the next piece, which consists of complete characters, or nil at the end
    public func addPieces(_ next: () throws -> String?) rethrows { words.add(try WordCounts.count(pieces: next)) }

    /// Size in bytes of the texts that were added.
    public var textBytes: Int { words.textBytes }

    /// Lowers the maximum number of tokens.
    /// - Parameter size: at least `smallestVocabulary`
    public func limitVocabulary(to size: Int) {
        vocabularySize = min(vocabularySize, max(size, Self.smallestVocabulary))
    }

    /// Lowers the maximum number of tokens by those that are added afterwards.
    public func reserve(tokens: Int) { limitVocabulary(to: vocabularySize - tokens) }

    /// Approximate memory in bytes that `train` uses.
    public var memory: Int { words.memory }

    /// Adds texts that were counted earlier.
    public func add(_ counts: WordCounts) { words.add(counts) }

    /// Learns the merges and returns a tokenizer with the published components: `<mask>` absorbs preceding white space,
    /// and `<s> … </s>` surround a text.
    /// - Parameter progress: called before each merge
    public func train(progress: () -> Void = {}) throws(TokenizerError) -> ByteLevelBPETokenizer {
        var merging = BPEMerging(words: words, vocabularySize: vocabularySize, minFrequency: minFrequency)
        merging.run(progress: progress)
        return ByteLevelBPETokenizer(model: try merging.model(), components: .published)
    }
}
