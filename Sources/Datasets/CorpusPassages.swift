import Conversations

/// The passages of a corpus, or of a large one those of a sample that is spread over it: paragraphs, or their parts of some
/// sentences, and records.
public struct CorpusPassages: Sendable {
    public struct Passage: Sendable, Equatable {
        /// Number of its first line in the file, from 1.
        public var line: Int
        /// Where it is in the file, in bytes.
        public var offset: Int
        public var length: Int
        /// Its text, with spaces for line ends. A stored conversation is the text of its messages.
        public var text: String
    }

    public private(set) var passages: [Passage] = []
    /// Whether the corpus has more text than `passages`.
    public private(set) var isPartial = false

    /// Size of a passage in bytes, if it is not a record.
    public static let usualBytes = 400
    /// Maximum size of a record, or of a paragraph without spaces, that is one passage.
    public static let mostBytes = 16 << 10
    private static let places = 128

    /// - Parameters:
    ///   - isStructured: whether the corpus has one record per line
    ///   - mostBytes: size of the sample; a smaller corpus is read as a whole
    ///   - mostPassages: maximum number of passages
    ///   - check: called periodically; throws to stop
    public init(
        path: String, isStructured: Bool, mostBytes: Int, mostPassages: Int, check: () throws -> Void = {}
    ) throws {
        let file = try OpenFile(path: path)
        let size = try file.size()
        let isWhole = size <= mostBytes
        let count = isWhole ? 1 : Self.places
        var segments = LineSegments(
            windowBytes: isWhole ? size : max(1, mostBytes / count), windows: count, fileBytes: size)
        var builder = PassageBuilder(isStructured: isStructured)
        var (taken, window) = (0, -1)
        func keep(_ segment: LineSegments.Segment?, _ found: [Passage]) {
            if let segment, segment.window != window { (taken, window) = (0, segment.window) }
            let kept = found.prefix(max(0, mostPassages / count - taken))
            taken += kept.count
            if kept.count < found.count { isPartial = true }
            passages += kept
        }
        while true {
            try check()
            let chunk = try file.read(atMost: 1 << 20)
            guard !chunk.isEmpty else { break }
            segments.read(chunk) { keep($0, builder.add($0)) }
        }
        segments.finish { keep($0, builder.add($0)) }
        keep(nil, builder.finish())
        isPartial = isPartial || segments.hasSkipped
    }

    /// Returns the text of a passage from its bytes in the file.
    public static func text(_ bytes: some Collection<UInt8>) -> String {
        if Conversation.isLikely(bytes), let conversation = Conversation(line: Array(bytes)) {
            return conversation.text
        }
        let spaced = bytes.lazy.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
        return String(decoding: spaced, as: UTF8.self).trimmed
    }
}

/// Joins lines to passages and divides long lines.
private struct PassageBuilder {
    let isStructured: Bool
    private var line = 0
    private var offset = 0
    private var bytes: [UInt8] = []

    init(isStructured: Bool) { self.isStructured = isStructured }

    mutating func add(_ segment: LineSegments.Segment) -> [CorpusPassages.Passage] {
        // A blank line, which has no segment or only white space, ends a paragraph.
        let isBlank = segment.bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        let follows = !bytes.isEmpty && segment.isStart && segment.offset == offset + bytes.count + 1
        var found: [CorpusPassages.Passage] = []
        if isBlank || isStructured || !follows
            || bytes.count + segment.bytes.count > CorpusPassages.usualBytes
        {
            found += finish()
        }
        if isBlank { return found }
        if !bytes.isEmpty {
            bytes.append(0x0A)
            bytes += segment.bytes
            return found
        }
        (line, offset, bytes) = (segment.line, segment.offset, segment.bytes)
        if isStructured || bytes.count > CorpusPassages.usualBytes { found += finish() }
        return found
    }

    mutating func finish() -> [CorpusPassages.Passage] {
        defer { bytes = [] }
        guard !bytes.isEmpty else { return [] }
        if isStructured { return [passage(bytes[...])].compactMap(\.self) }
        var (rest, found) = (bytes[...], [] as [CorpusPassages.Passage])
        // Not within a character, if the segment begins in the middle of a line.
        while let first = rest.first, first & 0b1100_0000 == 0b1000_0000 { rest.removeFirst() }
        while !rest.isEmpty {
            let part = rest.prefix(Self.length(rest))
            if let passage = passage(part) { found.append(passage) }
            rest = rest.dropFirst(part.count)
        }
        return found
    }

    private func passage(_ part: ArraySlice<UInt8>) -> CorpusPassages.Passage? {
        let text = CorpusPassages.text(part)
        guard !text.isEmpty else { return nil }
        return .init(line: line, offset: offset + part.startIndex, length: part.count, text: text)
    }

    /// Length of the next part: up to the end of a sentence, or else of a word.
    private static func length(_ rest: ArraySlice<UInt8>) -> Int {
        guard rest.count > CorpusPassages.usualBytes else { return rest.count }
        let range = rest.startIndex + CorpusPassages.usualBytes / 2..<rest.startIndex + CorpusPassages.usualBytes
        var word: Int?
        for index in range.reversed() where rest[index] == 0x20 || rest[index] == 0x0A {
            if [UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?")].contains(rest[index - 1]) {
                return index + 1 - rest.startIndex
            }
            word = word ?? index
        }
        if let word { return word + 1 - rest.startIndex }
        var end = range.upperBound
        while end > range.lowerBound, rest[end] & 0b1100_0000 == 0b1000_0000 { end -= 1 }
        return end - rest.startIndex
    }
}
