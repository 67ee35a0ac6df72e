import Crypto
import Digests
import Durable
import Jobs
import TextFilters

/// Cuts one corpus file into samples, in the order of the file and without reading all of it at once.
///
/// - `lines`: every line that is not blank.
/// - `paragraphs`: what stands between blank lines (`\n[ \t]*\n`), without the line ends around it, if not blank.
/// - `records`: as `lines`; a structured corpus is admitted with one record a line.
/// - `packed`: as `paragraphs`; what is joined is their tokens.
///
/// One that is longer than `longest` is cut at white space, and each piece is a sample of its own; whether they are held out
/// is decided by the first one's hash for all of them, so that what is trained on and what is asked are never of one unit.
public struct SampleReader {
    /// Bytes of a line, paragraph or record that is not cut.
    public static let longest = LongText.limit

    /// Those so far that were longer.
    public private(set) var cutUnits = 0
    private var lines: TextLines
    private let unit: SampleUnit
    private let filters: TextPipeline
    private let seen: SeenTexts
    /// Of the unit that is being cut.
    private var unitHash: UInt64?
    /// Of the piece that came last.
    private var isInsideUnit = false
    /// What a cut has left of a paragraph; nil where one begins next.
    private var rest: [UInt8]?
    /// Whether the next line is a piece of the last one.
    private var isInsideLine = false

    /// - Parameter seen: what `dedupe_lines` has let pass so far; one for all corpora of a run
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

    /// Reads a corpus of a job. Its bytes are held against its SHA-256 on the way: where they are others, `next` throws in
    /// place of the end, and what came before must not be used.
    /// - Parameters:
    ///   - unit: how it is cut, and `filters` what it goes through, where the corpus does not say itself
    public init(corpus: JobCorpus, unit: SampleUnit, filters: [TextFilter], seen: SeenTexts) throws(DatasetError) {
        self.init(
            try TextLines(corpus: corpus), corpus.samples ?? unit, corpus.filters ?? filters, seen)
    }

    /// The next sample, or nil at the end of the corpus.
    public mutating func next() throws(DatasetError) -> Sample? {
        while let piece = unit.endsAtBlankLine ? try nextParagraph() : try lines.next() {
            if !isInsideUnit {
                unitHash = nil
                if piece.goesOn { cutUnits += 1 }
            }
            isInsideUnit = piece.goesOn
            // Bytes that are not UTF-8 are replaced, as Python's errors="replace" does.
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

    /// What stands before the next separator, line ends around it removed, or a piece of that.
    ///
    /// A separator takes the end of the line before it, a blank line, and that line's end. So a blank line right after
    /// a separator begins the next paragraph; line ends around it are stripped, but its spaces are not.
    private mutating func nextParagraph() throws(DatasetError) -> TextLines.Line? {
        var paragraph = rest
        rest = nil
        while true {
            if let text = paragraph, let cut = LongText.cut(text) {
                rest = Array(text[cut...])
                return TextLines.Line(bytes: Self.withoutLineEnds(text[..<cut]), isTerminated: false, goesOn: true)
            }
            guard let line = try lines.next() else { break }
            let isPiece = isInsideLine
            isInsideLine = line.goesOn
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
    /// Whether Python's `str.strip` would leave nothing.
    var isBlank: Bool {
        unicodeScalars.allSatisfy { isWhiteSpace($0.value) }
    }
}

extension JobCorpus {
    /// A file as it is now, under its SHA-256.
    public init(file path: String, name: String) throws(DurableError) {
        self.init(sha256: try SHA256.hash(ofFile: path).hexadecimal, name: name, path: path, bytes: 0)
    }
}
