import Crypto
import Digests
import Durable
import Jobs
import TextFilters

/// Splits a corpus file into samples, in file order, reading the file in chunks.
///
/// - `lines`: every line that is not blank.
/// - `paragraphs`: the text between blank lines (`\n[ \t]*\n`) without surrounding line ends, if not blank.
/// - `records`: same as `lines`; structured corpora are stored with one record per line.
/// - `packed`: same as `paragraphs`; their tokens are concatenated later.
///
/// A unit that is longer than `longest` is split at white space into several samples. The hash of the first piece
/// determines whether all of them are held out, so that a unit is never used for both training and evaluation.
public struct SampleReader {
    /// Maximum size of a line, paragraph or record that is not split, in bytes.
    public static let longest = LongText.limit

    /// Number of units so far that were split.
    public private(set) var cutUnits = 0
    private var lines: TextLines
    private let unit: SampleUnit
    private let filters: TextPipeline
    private let seen: SeenTexts
    /// Hash of the unit that is being split.
    private var unitHash: UInt64?
    /// Whether the last piece was not the end of its unit.
    private var isInsideUnit = false
    /// Remainder of a paragraph after a split; nil if a new paragraph begins next.
    private var rest: [UInt8]?
    /// Whether the next line continues the last one.
    private var isInsideLine = false

    /// - Parameter seen: the lines that `dedupe_lines` has seen so far; shared by all corpora of a run
    public init(path: String, unit: SampleUnit, filters: [TextFilter], seen: SeenTexts = SeenTexts())
        throws(DatasetError)
    {
        self.init(try TextLines(path: path), unit, filters, seen)
    }

    private init(_ lines: TextLines, _ unit: SampleUnit, _ filters: [TextFilter], _ seen: SeenTexts) {
        self.lines = lines
        self.unit = unit
        self.filters = TextPipeline(filters)
        self.seen = seen
    }

    /// Opens a corpus of a job. Its SHA-256 is verified while reading: on a mismatch, `next` throws at the end of the
    /// file, and the samples read before must be discarded.
    /// - Parameters:
    ///   - unit, filters: used if the corpus does not specify its own
    public init(corpus: JobCorpus, unit: SampleUnit, filters: [TextFilter], seen: SeenTexts) throws(DatasetError) {
        self.init(
            try TextLines(corpus: corpus), corpus.samples ?? unit, corpus.filters ?? filters, seen)
    }

    /// Returns the next sample, or nil at the end of the corpus.
    public mutating func next() throws(DatasetError) -> Sample? {
        while let piece = unit.endsAtBlankLine ? try nextParagraph() : try lines.next() {
            if !isInsideUnit {
                unitHash = nil
                if piece.isContinued { cutUnits += 1 }
            }
            isInsideUnit = piece.isContinued
            // Invalid UTF-8 is replaced, as with Python's errors="replace".
            let text = String(decoding: piece.bytes, as: UTF8.self)
            guard !text.isBlank else { continue }
            let hash = unitHash ?? Sample.hash(of: text)
            unitHash = hash
            if filters.isEmpty { return Sample(text: text, hash: hash) }
            var filtered = Array(text.utf8)
            guard filters.apply(to: &filtered, seen: seen) else { continue }
            let left = String(decoding: filtered, as: UTF8.self)
            if !left.isBlank { return Sample(text: left, hash: hash) }
        }
        return nil
    }

    /// Returns the text before the next separator without surrounding line ends, or a piece of it.
    ///
    /// A separator consists of the end of the preceding line, a blank line and its line end. A blank line directly
    /// after a separator therefore begins the next paragraph; its line ends are stripped, but its spaces are kept.
    private mutating func nextParagraph() throws(DatasetError) -> TextLines.Line? {
        var paragraph = rest
        rest = nil
        while true {
            if let text = paragraph, let cut = LongText.cut(text) {
                rest = Array(text[cut...])
                return TextLines.Line(bytes: Self.withoutLineEnds(text[..<cut]), isTerminated: false, isContinued: true)
            }
            guard let line = try lines.next() else { break }
            let isPiece = isInsideLine
            isInsideLine = line.isContinued
            guard paragraph != nil else {
                paragraph = line.bytes
                continue
            }
            if !isPiece {
                if line.isTerminated, line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) {
                    break
                }
                paragraph!.append(UInt8(ascii: "\n"))
            }
            paragraph!.append(contentsOf: line.bytes)
        }
        return paragraph.map { TextLines.Line(bytes: Self.withoutLineEnds($0[...]), isTerminated: true) }
    }

    private static func withoutLineEnds(_ text: ArraySlice<UInt8>) -> [UInt8] {
        let isLineEnd = { (byte: UInt8) in byte == UInt8(ascii: "\n") }
        let start = text.firstIndex { !isLineEnd($0) } ?? text.endIndex
        let end = (text.lastIndex { !isLineEnd($0) }).map { $0 + 1 } ?? start
        return Array(text[start..<end])
    }
}

extension String {
    /// Whether Python's `str.strip` would return an empty string.
    var isBlank: Bool {
        unicodeScalars.allSatisfy { isWhiteSpace($0.value) }
    }
}

extension JobCorpus {
    /// Creates a corpus from a file, identified by the SHA-256 of its current contents.
    public init(file path: String, name: String) throws(DurableError) {
        self.init(sha256: try SHA256.hash(ofFile: path).hexadecimal, name: name, path: path, bytes: 0)
    }
}
