import Conversations
import Durable
import Glibc
import Jobs
import TextFilters

/// How a corpus is divided into samples.
///
/// For `samples: auto`, this is decided from the text of the corpus alone, so that all generations divide it the same
/// way and hold out the same samples.
public struct CorpusLayout: Sendable {
    /// Never `auto`.
    public let unit: SampleUnit
    /// Whether the samples contain the unmodified text of the file, apart from white space.
    public var keepsText: Bool { !joinsLines && separator != .percentLine && !hasConversations }
    /// Whether records may be conversations in their stored form. Unless `unit` is `conversations`, their messages are
    /// read as loose text.
    let hasConversations: Bool
    /// Whether hard-wrapped lines are joined.
    public var joinsLines: Bool { joiner != nil }
    /// Whether the filter `unwrap` joins the lines, instead of being joined before all filters.
    let isJoinedByFilter: Bool
    /// Belongs to `unit`, unless `auto` found lines of `%`.
    let separator: UnitSeparator
    /// Words that are joined if they are hyphenated at the end of a line.
    package let words: HyphenatedWords
    /// The bytes that the filter `gutenberg` leaves; nil for all.
    let used: Range<Int>?
    /// The form of the text, or the setting that determined the unit.
    public let reason: String
    let joiner: LineJoiner?
    /// Whether lines also end with U+0085, U+2028 and U+2029.
    let hasUnicodeLineEnds: Bool

    /// Incremented whenever the rules of `auto` change.
    public static let version = 2

    /// Decides the layout of a structured corpus: records, regardless of `samples`, unless they are conversations.
    static func ofTable(path: String, unit: SampleUnit) throws(DatasetError) -> CorpusLayout {
        let head = try OpenFile(path: path).read(at: 0, atMost: 64)
        let excerpts = try TextExcerpts.read(path)
        let hasConversations =
            Conversation.isLikely(head)
            || excerpts.contains { part in part.splitIntoLines().contains { Conversation.isLikely($0) } }
        guard hasConversations else {
            if unit == .conversations { throw .noConversations(path: path) }
            return CorpusLayout(ofRecords: "records, one per line")
        }
        guard unit == .auto || unit == .conversations else {
            return CorpusLayout(
                ofRecords: "messages of conversations as loose text, because of ‘samples: \(unit.rawValue)’",
                hasConversations: true)
        }
        return CorpusLayout(
            .conversations, ofRecords: "conversations, of which the replies are learned", hasConversations: true)
    }

    /// Returns the layout for a model: a masked one learns the messages of conversations as loose text.
    package func layout(for objective: Objective) -> CorpusLayout {
        guard unit == .conversations, objective != .clm else { return self }
        return CorpusLayout(
            ofRecords: "messages of conversations as loose text, because a masked model learns no replies",
            hasConversations: true)
    }

    /// Creates the layout of records, which no filter for documents applies to.
    private init(_ unit: SampleUnit = .records, ofRecords reason: String, hasConversations: Bool = false) {
        self.unit = unit
        self.reason = reason
        self.hasConversations = hasConversations
        (joiner, isJoinedByFilter, words, used) = (nil, false, HyphenatedWords(), nil)
        (separator, hasUnicodeLineEnds) = (.lineEnd, false)
    }

    private init(
        unit: SampleUnit, separator: UnitSeparator?, reason: String, joiner: LineJoiner?, isJoinedByFilter: Bool,
        words: HyphenatedWords, used: Range<Int>?, hasUnicodeLineEnds: Bool
    ) {
        self.unit = unit
        self.separator = separator ?? (unit.endsAtBlankLine ? .blankLine : .lineEnd)
        self.reason = reason
        self.joiner = joiner
        self.isJoinedByFilter = isJoinedByFilter
        self.words = words
        self.used = used
        self.hasUnicodeLineEnds = hasUnicodeLineEnds
        hasConversations = false
    }

    /// Decides how a corpus is divided.
    /// - Parameters:
    ///   - unit: used if the corpus does not specify its own
    ///   - filters: used if the corpus does not specify its own
    ///   - progress: called periodically
    public init(
        corpus: JobCorpus, unit: SampleUnit, filters: [TextFilter] = [], progress: () -> Void = {}
    ) throws(DatasetError) {
        if corpus.samples == .records {
            self = try .ofTable(path: corpus.path, unit: unit)
        } else {
            try self.init(
                path: corpus.path, unit: corpus.samples ?? unit, filters: corpus.filters ?? filters, progress: progress)
        }
    }

    /// Decides how the file of a corpus is divided.
    init(
        path: String, unit: SampleUnit, filters: [TextFilter], progress: () -> Void = {}
    ) throws(DatasetError) {
        if unit == .conversations { throw .noConversations(path: path) }
        let setReason = "\(unit.rawValue), as set by ‘samples’"
        if unit == .records {
            self.init(ofRecords: setReason)
            return
        }
        let isUnwrapped = filters.contains(.unwrap)
        var (chosen, reason, width, isForced) = (unit, setReason, Int?.none, false)
        var separator: UnitSeparator?
        if unit == .auto || isUnwrapped && unit.endsAtBlankLine {
            let shape = TextShape(of: try TextExcerpts.read(path))
            width = shape.width
            if unit == .auto {
                (chosen, reason) = (shape.unit, shape.description)
                if shape.hasPercentLines { separator = .percentLine }
            }
            if isUnwrapped, width == nil {
                width = shape.likelyWidth
                isForced = true
                if unit == .auto { chosen = .paragraphs }
                reason += "; wrapped paragraphs joined by ‘unwrap’"
            }
        }
        let needsWords = width != nil || filters.contains(.dehyphenate) && chosen.endsAtBlankLine
        let words = needsWords ? try CorpusLayout.hyphenatedWords(in: path, progress) : HyphenatedWords()
        self.init(
            unit: chosen, separator: separator, reason: reason,
            joiner: width.map { LineJoiner(width: $0, words: words, checksForVerse: isForced) },
            isJoinedByFilter: isUnwrapped, words: words,
            used: filters.contains(.gutenberg) ? try GutenbergMarkers.textRange(in: path, progress) : nil,
            hasUnicodeLineEnds: unit == .auto || unit == .lines)
    }

    /// Finds the words that are hyphenated at the end of a line and occur elsewhere in one piece.
    private static func hyphenatedWords(
        in path: String, _ progress: () -> Void
    ) throws(DatasetError) -> HyphenatedWords {
        var words = HyphenatedWords()
        var previous: [UInt8] = []
        try forEachLine(of: path, progress) {
            if !previous.isEmpty { words.collect(previous, $0) }
            previous = $0
        }
        if !words.isEmpty { try forEachLine(of: path, progress) { words.look(in: $0) } }
        words.finish()
        return words
    }

    private static func forEachLine(
        of path: String, _ progress: () -> Void, _ body: ([UInt8]) -> Void
    ) throws(DatasetError) {
        var lines = try TextLines(path: path, hasUnicodeLineEnds: true)
        var count = 0
        while let line = try lines.next() {
            body(line.bytes.repairedUTF8)
            count += 1
            if count % 1024 == 0 { progress() }
        }
    }
}

/// The layouts of a run's corpora, each decided once, except for those with many hyphenated words beyond a limit.
public final class CorpusLayouts {
    private var decided: [String: CorpusLayout] = [:]
    /// Number of words that may be kept; they take about 16 bytes each.
    private var wordsLeft: Int

    public convenience init() { self.init(mostWords: 1 << 20) }

    /// - Parameter mostWords: maximum number of hyphenated words that are kept
    package init(mostWords: Int) { wordsLeft = mostWords }

    /// - Parameters:
    ///   - filters: used if the corpus does not specify its own
    ///   - progress: called periodically
    public func layout(
        of corpus: JobCorpus, unit: SampleUnit, filters: [TextFilter], progress: () -> Void = {}
    ) throws(DatasetError) -> CorpusLayout {
        let names = (corpus.filters ?? filters).map(\.name.rawValue).joined(separator: " ")
        let key = "\(corpus.sha256) \(corpus.samples?.rawValue ?? "") \(unit.rawValue) \(names)"
        if let layout = decided[key] { return layout }
        let layout = try CorpusLayout(corpus: corpus, unit: unit, filters: filters, progress: progress)
        if layout.words.foundCount <= wordsLeft {
            wordsLeft -= layout.words.foundCount
            decided[key] = layout
        }
        return layout
    }
}

/// Parts of a file, spread over all of it.
enum TextExcerpts {
    /// Files up to this size are read completely.
    private static let mostBytes = 1 << 20
    private static let partBytes = 64 << 10

    /// Returns parts that begin and end at line ends if they have any.
    static func read(_ path: String) throws(DatasetError) -> [[UInt8]] {
        let file = try OpenFile(path: path)
        let size = try file.size()
        guard size > mostBytes else { return [try file.read(at: 0, atMost: mostBytes).withLineFeeds.repairedUTF8] }
        let count = mostBytes / partBytes
        var parts: [[UInt8]] = []
        for index in 0..<count {
            let part = try file.read(at: (size - partBytes) / (count - 1) * index, atMost: partBytes).withLineFeeds
            // The first and the last line may be incomplete.
            let start = part.indices.first { part.lengthOfLineEnd(at: $0) > 0 } ?? part.startIndex
            let end = part.indices.last { part.lengthOfLineEnd(at: $0) > 0 } ?? part.endIndex
            parts.append(Array(part[start..<max(start, end)]).repairedUTF8)
        }
        return parts
    }
}

extension [UInt8] {
    /// The bytes with invalid UTF-8 replaced by U+FFFD.
    var repairedUTF8: [UInt8] {
        allSatisfy { $0 < 0x80 } ? self : Array(String(decoding: self, as: UTF8.self).utf8)
    }

    /// The bytes with `\r\n` and `\r` replaced by `\n`.
    fileprivate var withLineFeeds: [UInt8] {
        guard contains(UInt8(ascii: "\r")) else { return self }
        var text: [UInt8] = []
        text.reserveCapacity(count)
        for (index, byte) in enumerated() {
            if byte != UInt8(ascii: "\r") {
                text.append(byte)
            } else if index + 1 == count || self[index + 1] != UInt8(ascii: "\n") {
                text.append(UInt8(ascii: "\n"))
            }
        }
        return text
    }
}
