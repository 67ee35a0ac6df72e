/// The layout of an index file. All numbers are little-endian.
///
/// ```
/// for each block:  entries      UInt32 × tokens      positions of its tokens, sorted; relative to the block's beginning
///                  word starts  UInt32 × (words + 1) where each distinct token begins in `entries`
///                  word ends    UInt32 × (words + 1) where each distinct token begins in `word bytes`
///                  word bytes                        the distinct tokens, sorted, and those of the overlap
/// line table       UInt64 × (one for each 64 KiB)    number of line feeds before each part of the text
/// directory        72 bytes × blocks
/// trailer          136 bytes
/// ```
///
/// Suffixes are sorted by their first `overlap` tokens at least, so those near the end of a block are sorted as if the
/// block had that many more tokens.
enum IndexFormat {
    static let magic: UInt64 = 0x3158_4449_5442_4B00  // "\0KBTIDX1"
    static let version: UInt64 = 1
    static let directoryRecord = 9 * 8
    static let trailer = 17 * 8
    static let linesChunk = 1 << 16

    /// Number of tokens by which blocks overlap: the longest sequence that is searched for without comparing candidates
    /// one by one.
    static let overlap = 512
}

/// The parameters of a build. Only tests use other values than the default.
package struct IndexParameters: Sendable {
    /// Size of the parts into which the text is cut for parallel sorting, in bytes.
    package var blockBytes: Int
    /// Maximum number of tokens of a block, which bounds the memory of a build.
    package var blockTokens: Int
    /// Maximum number of distinct tokens (with what follows them) of a block, which bounds it as well.
    package var blockSymbols: Int

    package init(blockBytes: Int = 16 << 20, blockTokens: Int = 4 << 20, blockSymbols: Int = 1 << 20) {
        self.blockBytes = blockBytes
        self.blockTokens = blockTokens
        self.blockSymbols = blockSymbols
    }

    /// Fewer tokens than can be encoded in three bytes, and positions that fit into 32 bits.
    static let maximumBlockTokens = (1 << 24) - 2 * IndexFormat.overlap
}

/// One record of the directory.
struct BlockRecord {
    var textStart: Int
    var textEnd: Int
    var tokens: Int
    var words: Int
    var entries: Int
    var wordStarts: Int
    var wordEnds: Int
    var wordBytes: Int
    var wordBytesCount: Int

    var numbers: [Int] {
        [textStart, textEnd, tokens, words, entries, wordStarts, wordEnds, wordBytes, wordBytesCount]
    }
}

extension BlockRecord {
    init(_ numbers: [Int]) {
        self.init(
            textStart: numbers[0], textEnd: numbers[1], tokens: numbers[2], words: numbers[3], entries: numbers[4],
            wordStarts: numbers[5], wordEnds: numbers[6], wordBytes: numbers[7], wordBytesCount: numbers[8])
    }
}
