import Conversations
import Glibc

/// The lines of a corpus, or of a large one those of a sample that is spread over it, for work that takes too long for
/// all of its text.
public struct CorpusSample: Sendable {
    /// A line that is not blank, or a part of a long one.
    public struct Line: Sendable, Equatable {
        /// Number of the line in the file, from 1.
        public var number: Int
        /// Where the line, or the part of it, begins in the file, in bytes.
        public var offset: Int
        /// At most `CorpusSample.longestPart` bytes, without white space at the end.
        public var text: String

        public init(number: Int, offset: Int, text: String) {
            self.number = number
            self.offset = offset
            self.text = text
        }
    }

    public private(set) var lines: [Line] = []
    /// Whether the corpus has more text than `lines`.
    public private(set) var isPartial = false

    /// Maximum size of `Line.text` in bytes.
    public static let longestPart = 1 << 10
    /// Maximum number of lines.
    public static let mostLines = 1 << 16
    /// Number of places from which a sample is taken.
    private static let places = 128

    /// Reads the whole file, because lines have to be counted, but keeps only the sample.
    /// - Parameters:
    ///   - mostBytes: size of the sample; a smaller corpus is kept as a whole
    ///   - check: called periodically; throws to stop
    /// - Throws: `DatasetError`, and what `check` throws
    public init(path: String, mostBytes: Int, check: () throws -> Void = {}) throws {
        let file = try OpenFile(path: path)
        let size = try file.size()
        let isWhole = size <= mostBytes
        let count = isWhole ? 1 : Self.places
        var segments = LineSegments(
            windowBytes: isWhole ? size : max(1, mostBytes / count), windows: count, fileBytes: size)
        var (taken, window) = (0, -1)
        func take(_ segment: LineSegments.Segment) {
            if segment.window != window { (taken, window) = (0, segment.window) }
            let parts = Self.parts(of: segment)
            guard taken + parts.count <= Self.mostLines / count else {
                isPartial = true
                return
            }
            taken += parts.count
            lines += parts
        }
        while true {
            try check()
            let chunk = try file.read(atMost: 1 << 20)
            guard !chunk.isEmpty else { break }
            segments.read(chunk, take)
        }
        segments.finish(take)
        isPartial = isPartial || segments.hasSkipped
    }

    /// Divides a segment between words. A stored conversation becomes the text of its messages.
    private static func parts(of segment: LineSegments.Segment) -> [Line] {
        var bytes = segment.bytes[...]
        // A segment in the middle of a line may begin within a character.
        while !segment.isStart, let first = bytes.first, first & 0b1100_0000 == 0b1000_0000 { bytes.removeFirst() }
        let offset = segment.offset + bytes.startIndex
        if segment.isStart, let conversation = Conversation(line: segment.bytes) {
            bytes = Array(conversation.text.utf8.map { $0 == 0x0A ? 0x20 : $0 })[...]
            // Its places in the file are not those in the text.
            return divided(bytes).map { Line(number: segment.line, offset: offset, text: $0.text) }
        }
        return divided(bytes).map { part in
            Line(number: segment.line, offset: segment.offset + part.start, text: part.text)
        }
    }

    private static func divided(_ bytes: ArraySlice<UInt8>) -> [(start: Int, text: String)] {
        var (rest, parts) = (bytes, [] as [(Int, String)])
        while !rest.isEmpty {
            var end = min(rest.endIndex, rest.startIndex + longestPart)
            if end < rest.endIndex {
                let space = rest[rest.startIndex + longestPart / 2..<end].lastIndex(of: 0x20)
                end = space.map { $0 + 1 } ?? end
                // Not within a character.
                while end > rest.startIndex + 1, rest[end] & 0b1100_0000 == 0b1000_0000 { end -= 1 }
            }
            let text = String(decoding: rest[..<end], as: UTF8.self)
            let trimmed = text.withoutTrailingSpace
            if !trimmed.isEmpty { parts.append((rest.startIndex, trimmed)) }
            rest = rest[end...]
        }
        return parts
    }
}

extension String {
    fileprivate var withoutTrailingSpace: String {
        var scalars = unicodeScalars[...]
        while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
        return String(scalars)
    }
}

/// Divides a file into lines and long lines into segments, and keeps those that begin in one of several windows, evenly
/// distributed over the file. A pure value type: its memory does not depend on the size of the file.
struct LineSegments {
    struct Segment: Equatable {
        var line: Int
        var offset: Int
        /// The window in which it begins.
        var window: Int
        /// Whether the line begins with it.
        var isStart: Bool
        var bytes: [UInt8]
    }

    /// Maximum size of a segment in bytes.
    static let longest = 16 << 10

    private let windowBytes: Int
    private let windows: Int
    private let fileBytes: Int
    private(set) var hasSkipped = false
    private var line = 1
    private var offset = 0
    private var window = 0
    /// Offset at which the current segment begins.
    private var start = 0
    private var isStart = true
    private var isKept = false
    private var bytes: [UInt8] = []

    init(windowBytes: Int, windows: Int, fileBytes: Int) {
        self.windowBytes = windowBytes
        self.windows = windows
        self.fileBytes = fileBytes
        isKept = begins(at: 0)
    }

    /// Where a window begins.
    private func place(_ window: Int) -> Int {
        windows == 1 ? 0 : Int(Double(fileBytes - windowBytes) / Double(windows - 1) * Double(window))
    }

    /// Moves to the window at or after an offset, and returns whether the offset is in it.
    private mutating func begins(at offset: Int) -> Bool {
        while window + 1 < windows, offset >= place(window) + windowBytes { window += 1 }
        return offset >= place(window) && offset < place(window) + windowBytes
    }

    mutating func read(_ chunk: [UInt8], _ take: (Segment) -> Void) {
        var position = 0
        while position < chunk.count {
            let room = start + Self.longest - offset
            let limit = min(chunk.count, position + room)
            let lineEnd = Self.lineEnd(in: chunk, position..<limit)
            let stop = lineEnd ?? limit
            if isKept { bytes += chunk[position..<stop] }
            offset += stop - position
            position = stop
            if lineEnd != nil {
                position += 1
                end(take)
                offset += 1
                line += 1
                begin(isStart: true)
            } else if offset - start >= Self.longest {
                let rest = isKept ? Self.incompleteEnd(of: bytes) : 0
                let carried = Array(bytes.suffix(rest))
                bytes.removeLast(rest)
                end(take)
                begin(isStart: false, carried: carried)
            }
        }
    }

    mutating func finish(_ take: (Segment) -> Void) { end(take) }

    private mutating func begin(isStart: Bool, carried: [UInt8] = []) {
        start = offset - carried.count
        self.isStart = isStart
        isKept = begins(at: start)
        bytes = isKept ? carried : []
    }

    private mutating func end(_ take: (Segment) -> Void) {
        if isKept {
            if !bytes.isEmpty {
                take(Segment(line: line, offset: start, window: window, isStart: isStart, bytes: bytes))
            }
        } else if offset > start {
            hasSkipped = true
        }
    }

    private static func lineEnd(in chunk: [UInt8], _ range: Range<Int>) -> Int? {
        guard !range.isEmpty else { return nil }
        return chunk.withUnsafeBytes { chunk in
            memchr(chunk.baseAddress! + range.lowerBound, 0x0A, range.count).map {
                chunk.baseAddress!.distance(to: UnsafeRawPointer($0))
            }
        }
    }

    /// Number of bytes at the end that are the beginning of a longer character.
    private static func incompleteEnd(of bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return needed > length ? length : 0
        }
        return 0
    }
}
