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
public struct SampleReader {
    private var lines: TextLines
    private let unit: SampleUnit
    private let filters: TextPipeline
    private let seen: SeenTexts

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
        while let bytes = unit.endsAtBlankLine ? try nextParagraph() : try lines.next()?.bytes {
            // Bytes that are not UTF-8 are replaced, as Python's errors="replace" does.
            let text = String(decoding: bytes, as: UTF8.self)
            guard !text.isBlank else { continue }
            let hash = Sample.hash(of: text)
            if filters.isEmpty { return Sample(text: text, hash: hash) }
            var filtered = Array(text.utf8)
            guard filters.apply(to: &filtered, seen: seen) else { continue }
            let left = String(decoding: filtered, as: UTF8.self)
            if !left.isBlank { return Sample(text: left, hash: hash) }
        }
        return nil
    }

    /// What stands before the next separator, line ends around it removed.
    ///
    /// A separator takes the end of the line before it, a blank line, and that line's end. So a blank line right after
    /// a separator begins the next paragraph; line ends around it are stripped, but its spaces are not.
    private mutating func nextParagraph() throws(DatasetError) -> [UInt8]? {
        var paragraph: [UInt8]?
        while let line = try lines.next() {
            guard paragraph != nil else {
                paragraph = line.bytes
                continue
            }
            if line.isTerminated, line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) {
                break
            }
            paragraph!.append(UInt8(ascii: "\n"))
            paragraph!.append(contentsOf: line.bytes)
        }
        guard let paragraph else { return nil }
        let isLineEnd = { (byte: UInt8) in byte == UInt8(ascii: "\n") }
        let start = paragraph.firstIndex { !isLineEnd($0) } ?? paragraph.endIndex
        let end = (paragraph.lastIndex { !isLineEnd($0) }).map { $0 + 1 } ?? start
        return Array(paragraph[start..<end])
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
