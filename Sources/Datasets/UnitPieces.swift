/// What separates the units of a text.
enum UnitSeparator: Sendable {
    case lineEnd, blankLine
    /// A line of only `%`, as in the files of `fortune`.
    case percentLine
}

/// The lines, paragraphs or records of a file, long ones in pieces.
struct UnitPieces {
    struct Piece {
        var bytes: [UInt8]
        /// Whether the unit is longer than this piece.
        var isPart = false
        /// Whether the piece follows another one of the same unit.
        var isContinuation = false
        /// Whether the piece is not in the part of the file that is used.
        var isOutside = false
    }

    private var lines: TextLines
    private let separator: UnitSeparator
    private let dividesLongUnits: Bool
    /// The part of the current unit that has been read and not returned.
    private var pending: [UInt8] = []
    /// Whether a line of the current unit has been read.
    private var hasLine = false
    private var isEnded = false
    /// Whether a piece of the current unit has been returned.
    private var isDivided = false
    /// Whether the next line continues the last one.
    private var isInsideLine = false
    /// Whether the current unit is not in the part of the file that is used.
    private var isOutside = false
    /// The first line of the next unit, if it has been read.
    private var following: TextLines.Line?

    init(_ lines: TextLines, separator: UnitSeparator, dividesLongUnits: Bool = true) {
        self.lines = lines
        self.separator = separator
        self.dividesLongUnits = dividesLongUnits
    }

    /// Returns the next piece, or nil at the end of the file. It may be blank.
    mutating func next() throws(DatasetError) -> Piece? {
        while true {
            if dividesLongUnits, pending.count > (isDivided ? LongUnit.lastPieceBytes : LongUnit.longestWhole) {
                let cut = LongUnit.cut(pending)
                defer {
                    pending.removeSubrange(..<cut)
                    isDivided = true
                }
                return Piece(
                    bytes: Array(pending[..<cut]), isPart: true, isContinuation: isDivided, isOutside: isOutside)
            }
            if isEnded {
                defer { (pending, hasLine, isEnded, isDivided) = ([], false, false, false) }
                while separator != .lineEnd, pending.last == UInt8(ascii: "\n") { pending.removeLast() }
                return Piece(
                    bytes: pending, isPart: isDivided, isContinuation: isDivided, isOutside: isOutside)
            }
            guard let line = try nextLine() else {
                guard hasLine else { return nil }
                (isEnded, isInsideLine) = (true, false)
                continue
            }
            if hasLine, line.isOutside != isOutside {
                following = line
                (isEnded, isInsideLine) = (true, false)
                continue
            }
            isOutside = line.isOutside
            add(line)
        }
    }

    private mutating func nextLine() throws(DatasetError) -> TextLines.Line? {
        guard let line = following else { return try lines.next() }
        following = nil
        return line
    }

    /// Adds a line, or a part of one, to the current unit.
    ///
    /// The separator of two paragraphs consists of the end of the preceding line, a blank line and its line end. A blank
    /// line directly after a separator therefore begins the next paragraph; its line ends are removed, but its spaces are
    /// kept.
    private mutating func add(_ line: TextLines.Line) {
        defer { (hasLine, isInsideLine) = (true, line.isContinued) }
        if separator == .percentLine, !isInsideLine, !line.isContinued, line.bytes == [UInt8(ascii: "%")] {
            isEnded = true
            return
        }
        if separator != .lineEnd, hasLine, !isInsideLine {
            if separator == .blankLine, line.isTerminated,
                line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") })
            {
                isEnded = true
                return
            }
            if !pending.isEmpty || isDivided { pending.append(UInt8(ascii: "\n")) }
        }
        pending.append(contentsOf: line.bytes)
        if separator == .lineEnd, !line.isContinued { isEnded = true }
    }
}
