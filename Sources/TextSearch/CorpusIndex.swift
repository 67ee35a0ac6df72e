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
public final class CorpusIndex: @unchecked Sendable {
    // @unchecked: nothing writes to the mapped files.

    /// SHA-256 of the text, in hexadecimal.
    public let sha256: String
    public let textBytes: Int
    public let indexBytes: Int
    /// Number of tokens of the text.
    public let tokens: Int
    /// Number of lines of the text, including a last one that is not terminated.
    public let lines: Int

    let text: TextView
    let blocks: [Block]
    private let textFile: MappedFile
    private let file: MappedFile
    private let lineTable: Int

    /// Maps a text and its index, and checks everything whose size does not depend on that of the text. Entries of the
    /// large arrays are checked whenever they are used, so a damaged index causes `SearchError.damaged`, wrong counts, or
    /// missing occurrences, and never an access outside of the files.
    /// - Parameters:
    ///   - text: path of the text
    ///   - index: path at which `build` published
    ///   - sha256: SHA-256 of the text, which the index must have recorded
    /// - Throws: `IndexError`; see `isResolvedByBuilding`
    public init(text: String, index: String, sha256: String) throws(IndexError) {
        let texts: MappedFile
        do {
            texts = try MappedFile(text, followsLinks: false)
            file = try MappedFile(index, followsLinks: false)
        } catch {
            throw .file(error)
        }
        textFile = texts
        self.sha256 = sha256
        self.text = TextView(texts.bytes)
        let header = try IndexHeader(file.bytes, path: index, sha256: sha256, textBytes: texts.bytes.count)
        textBytes = header.textBytes
        indexBytes = file.bytes.count
        tokens = header.tokens
        lines = header.lines
        lineTable = header.lineTable
        blocks = header.blocks.map { [file] in Block($0, in: file, sha256: sha256) }
    }

    /// Returns the number of the line, from 1, that contains a position of the text.
    func line(at position: Int) -> Int {
        precondition(position >= 0 && position <= textBytes)
        let chunk = min(position, textBytes - 1) / IndexFormat.linesChunk
        guard textBytes > 0 else { return 1 }
        let before = UInt64(
            littleEndian: file.bytes.loadUnaligned(fromByteOffset: lineTable + 8 * chunk, as: UInt64.self))
        var line = 1
        for index in (chunk * IndexFormat.linesChunk)..<position where text.base[index] == 0x0A { line += 1 }
        // A damaged table must not overflow.
        return Int(clamping: before & 0xFFFF_FFFF_FFFF) + line
    }
}
