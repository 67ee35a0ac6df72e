import Conversations
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
///   If `auto` finds that lines of only `%` separate the texts of a file, blank lines do not separate units.
/// - `packed`: same as `paragraphs`; their tokens are concatenated later.
/// - `conversations`: the conversations that a structured corpus has; otherwise, each of their messages is a sample.
///
/// A unit of more than 2 KiB is divided into pieces, each of which is a sample; see `LongUnit`.
public struct SampleReader {
    /// The samples read so far, including those that filters dropped.
    public private(set) var counts = SampleCounts()
    private var pieces: UnitPieces
    private let joiner: LineJoiner?
    private let repeated: RepeatedUnits?
    /// Index of the current line, paragraph or record in the file.
    private var unit = -1
    private let filters: TextPipeline
    private let seen: SeenTexts
    /// Number of filters that are applied to the corpus as stored.
    private let corpusFilters: Int
    private let hasConversations: Bool
    private let keepsTurns: Bool
    /// Whether the previous piece of the file was returned as a sample.
    private var hasPrevious = false
    /// The messages of a conversation that are still to be read as loose text.
    private var messages: ArraySlice<Conversation.Turn> = []

    /// - Parameter seen: the lines that `dedupe_lines` has seen so far; shared by all corpora of a run
    public init(path: String, unit: SampleUnit, filters: [TextFilter], seen: SeenTexts = SeenTexts())
        throws(DatasetError)
    {
        try self.init(
            path: path, layout: CorpusLayout(path: path, unit: unit, filters: filters), filters: filters, seen: seen)
    }

    /// - Parameters:
    ///   - layout: decided for the same file and filters
    ///   - end: no line that begins at or after this offset is read; nil reads the whole file
    public init(
        path: String, layout: CorpusLayout, filters: [TextFilter], seen: SeenTexts, end: Int? = nil
    ) throws(DatasetError) {
        try self.init(
            TextLines(path: path, hasUnicodeLineEnds: layout.hasUnicodeLineEnds), path, layout, filters, seen, end: end
        ) {}
    }

    private init(
        _ lines: TextLines, _ path: String, _ layout: CorpusLayout, _ filters: [TextFilter], _ seen: SeenTexts,
        end: Int? = nil, _ progress: () -> Void
    ) throws(DatasetError) {
        func pieces(_ lines: TextLines) -> UnitPieces {
            var lines = lines
            lines.used = layout.used
            lines.end = end
            return UnitPieces(
                lines, separator: layout.separator, dividesLongUnits: !layout.hasConversations)
        }
        self.pieces = pieces(lines)
        repeated = try RepeatedUnits(
            filters, pieces(TextLines(path: path, hasUnicodeLineEnds: layout.hasUnicodeLineEnds)), seen: seen,
            progress: progress)
        hasConversations = layout.hasConversations
        keepsTurns = layout.unit == .conversations
        joiner = layout.isJoinedByFilter ? nil : layout.joiner
        self.filters = TextPipeline(filters, joiner: layout.joiner, words: layout.words)
        self.seen = seen
        // The filters for corpora come first, in this order, and only those that apply to this one.
        let first = TextFilter.Name.forCorpora.filter { name in filters.contains { $0.name == name } }
        counts.filters = first.map { FilterCount($0) } + self.filters.counts
        corpusFilters = first.count
    }

    /// Opens a corpus of a job. Its SHA-256 is verified while reading: on a mismatch, `next` throws at the end of the
    /// file, and the samples read before must be discarded.
    /// - Parameters:
    ///   - filters: used if the corpus does not specify its own
    ///   - progress: called periodically if the corpus is read once before
    public init(
        corpus: JobCorpus, layout: CorpusLayout, filters: [TextFilter], seen: SeenTexts, progress: () -> Void = {}
    ) throws(DatasetError) {
        try self.init(
            TextLines(corpus: corpus, hasUnicodeLineEnds: layout.hasUnicodeLineEnds), corpus.path, layout,
            corpus.filters ?? filters, seen, progress)
    }

    /// Returns the next sample, or nil at the end of the corpus.
    public mutating func next() throws(DatasetError) -> Sample? {
        while true {
            if let message = messages.popFirst() {
                guard !message.isRepeated, let sample = sample(of: message.content, UnitPieces.Piece(bytes: [])) else {
                    continue
                }
                return sample
            }
            guard let piece = try pieces.next() else { return nil }
            if !piece.isContinuation { unit += 1 }
            let isContinuation = piece.isContinuation && hasPrevious
            hasPrevious = false
            if hasConversations, let conversation = Conversation(line: piece.bytes) {
                guard keepsTurns else {
                    messages = conversation.turns[...]
                    continue
                }
                guard let sample = sample(of: conversation, piece) else { continue }
                return sample
            }
            // Invalid UTF-8 is replaced, as with Python's errors="replace".
            guard var sample = sample(of: String(decoding: piece.bytes, as: UTF8.self), piece) else { continue }
            hasPrevious = true
            sample.isContinuation = isContinuation
            return sample
        }
    }

    /// Returns the sample of a text, or nil if it is blank or filters drop it.
    private mutating func sample(of unfiltered: String, _ piece: UnitPieces.Piece) -> Sample? {
        var text = unfiltered
        guard !text.isBlank else { return nil }
        let hash = piece.isPart ? Sample.hash(ofPiece: text) : Sample.hash(of: text)
        if let joiner {
            var bytes = Array(text.utf8)
            joiner.join(&bytes)
            text = String(decoding: bytes, as: UTF8.self)
        }
        counts.add(text, hash)
        guard isUsed(piece, bytes: text.utf8.count) else { return nil }
        if !filters.isEmpty {
            var filtered = Array(text.utf8)
            guard filters.apply(to: &filtered, seen: seen, counts: &counts.filters[corpusFilters...]) else {
                return nil
            }
            text = String(decoding: filtered, as: UTF8.self)
        }
        return Sample(text: text, hash: hash)
    }

    /// Returns the sample of a conversation, or nil if filters drop it or one of its messages. Its hash is that of its
    /// stored form.
    private mutating func sample(of conversation: Conversation, _ piece: UnitPieces.Piece) -> Sample? {
        var conversation = conversation
        let hash = Sample.hash(of: String(decoding: piece.bytes, as: UTF8.self))
        counts.add(conversation.text, hash)
        guard isUsed(piece, bytes: conversation.text.utf8.count) else { return nil }
        for index in conversation.turns.indices where !filters.isEmpty {
            var filtered = Array(conversation.turns[index].content.utf8)
            // A repeated message is counted, and is the original of duplicates, where it is learned.
            var isKept = false
            if conversation.turns[index].isRepeated {
                var uncounted = counts.filters
                isKept = filters.apply(to: &filtered, seen: SeenTexts(), counts: &uncounted[corpusFilters...])
            } else {
                isKept = filters.apply(to: &filtered, seen: seen, counts: &counts.filters[corpusFilters...])
            }
            guard isKept else { return nil }
            conversation.turns[index].content = String(decoding: filtered, as: UTF8.self)
        }
        return Sample(text: conversation.text, hash: hash, turns: conversation.turns.joinedByRole)
    }

    /// Applies the filters for corpora.
    private mutating func isUsed(_ piece: UnitPieces.Piece, bytes: Int) -> Bool {
        for index in 0..<corpusFilters {
            counts.filters[index].addBefore(bytes: bytes)
            let filter = counts.filters[index].filter
            let isDropped = filter == .gutenberg ? piece.isOutside : repeated?.contains(unit, for: filter) ?? false
            if isDropped { return false }
            counts.filters[index].addAfter(bytes: bytes)
        }
        return true
    }
}

/// The number and the size of samples, in UTF-8 bytes.
public struct SampleCounts: Sendable, Equatable {
    public private(set) var samples = 0
    public private(set) var bytes = 0
    /// The samples before and after each filter, in the order in which they are applied.
    public fileprivate(set) var filters: [FilterCount] = []
    /// Whether all samples have the same text.
    public private(set) var isUniform = true
    private var firstHash: UInt64?

    public init() {}

    fileprivate mutating func add(_ text: String, _ hash: UInt64) {
        samples += 1
        bytes += text.utf8.count
        isUniform = isUniform && hash == firstHash ?? hash
        firstHash = firstHash ?? hash
    }

    /// Samples that filters dropped, except for duplicates.
    public var filteredSamples: Int { dropped(asDuplicates: false) { $0.unitsBefore - $0.unitsAfter } }
    /// Bytes that filters removed, including those of the samples that they dropped.
    public var filteredBytes: Int { max(0, dropped(asDuplicates: false) { $0.bytesBefore - $0.bytesAfter }) }
    public var duplicateSamples: Int { dropped(asDuplicates: true) { $0.unitsBefore - $0.unitsAfter } }
    public var duplicateBytes: Int { dropped(asDuplicates: true) { $0.bytesBefore - $0.bytesAfter } }

    private func dropped(asDuplicates: Bool, _ count: (FilterCount) -> Int) -> Int {
        filters.reduce(0) { $1.filter.isForDuplicates == asDuplicates ? $0 + count($1) : $0 }
    }

    public static func += (a: inout SampleCounts, b: SampleCounts) {
        a.samples += b.samples
        a.bytes += b.bytes
        a.filters.add(b.filters)
        a.isUniform = a.isUniform && b.isUniform && (a.firstHash ?? b.firstHash) == (b.firstHash ?? a.firstHash)
        a.firstHash = a.firstHash ?? b.firstHash
    }
}

extension [Conversation.Turn] {
    /// The messages, of which consecutive ones of the same role are one: threads of short messages have several.
    fileprivate var joinedByRole: [Conversation.Turn] {
        reduce(into: []) { turns, turn in
            if turns.last?.role == turn.role {
                turns[turns.count - 1].content += "\n" + turn.content
            } else {
                turns.append(turn)
            }
        }
    }
}

extension Sample {
    /// Returns the hash of a piece, which may begin or end with white space of the unit.
    fileprivate static func hash(ofPiece text: String) -> UInt64 {
        let isSpace = { (scalar: Unicode.Scalar) in isWhiteSpace(scalar.value) }
        let scalars = text.unicodeScalars
        let start = scalars.firstIndex { !isSpace($0) } ?? scalars.endIndex
        let end = scalars.lastIndex { !isSpace($0) }.map { scalars.index(after: $0) } ?? start
        return hash(of: String(scalars[start..<end]))
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
