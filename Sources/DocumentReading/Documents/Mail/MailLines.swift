import Glibc

/// The lines of a part of a region. Of a long line, only the beginning is held in memory.
struct MailLines {
    struct Line {
        /// Where the line is in the region, with its line end.
        let range: Range<Int>
        /// Where it is in the buffer, without its line end.
        fileprivate let place: Range<Int>
    }

    private static let longest = 16 << 10
    /// How much is read first, because the head of a message is short, and messages can be many.
    private static let fewest = 1 << 10

    private let region: FileRegion
    /// Where the next line begins.
    private var position: Int
    private let end: Int
    private var buffer: [UInt8]
    /// The part of the region that is in the buffer.
    private var buffered: Range<Int>

    init(_ region: FileRegion, _ range: Range<Int>) {
        self.region = region
        position = range.lowerBound
        end = range.upperBound
        buffer = [UInt8](repeating: 0, count: min(Self.fewest, range.count))
        buffered = position..<position
    }

    mutating func next() throws -> Line? {
        guard position < end else { return nil }
        if let line = bufferedLine() { return line }
        repeat {
            if !buffered.isEmpty { enlarge() }
            try fill()
            if let line = bufferedLine() { return line }
        } while buffered.upperBound < end && buffer.count < Self.longest && !buffered.isEmpty
        let begin = position
        guard !buffered.isEmpty else { return nil }
        position = try endOfLine(after: buffered.upperBound)
        return Line(range: begin..<position, place: 0..<buffered.count)
    }

    /// Returns the bytes of the line that was read last, without its line end.
    func bytes(of line: Line) -> ArraySlice<UInt8> {
        let bytes = buffer[line.place]
        return bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
    }

    private mutating func bufferedLine() -> Line? {
        let begin = position - buffered.lowerBound
        guard begin < buffered.count else { return nil }
        let found: Int? = buffer.withUnsafeBytes { bytes in
            guard let first = bytes.baseAddress,
                let found = memchr(first + begin, 0x0A, buffered.count - begin)
            else { return nil }
            return UnsafeRawPointer(found) - first
        }
        guard let found else { return nil }
        let range = position..<buffered.lowerBound + found + 1
        position = range.upperBound
        return Line(range: range, place: begin..<found)
    }

    private mutating func enlarge() {
        let count = min(Self.longest, 4 * buffer.count)
        if count > buffer.count { buffer.append(contentsOf: repeatElement(0, count: count - buffer.count)) }
    }

    private mutating func fill() throws {
        let (region, position) = (region, position)
        let wanted = min(buffer.count, end - position)
        let count = try buffer.withUnsafeMutableBytes {
            try region.read(at: position, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
        }
        buffered = position..<position + count
    }

    private func endOfLine(after begin: Int) throws -> Int {
        var position = begin
        var piece = [UInt8](repeating: 0, count: Self.longest)
        while position < end {
            let wanted = min(piece.count, end - position)
            let count = try piece.withUnsafeMutableBytes {
                try region.read(at: position, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
            }
            if count == 0 { break }
            if let found = piece[..<count].firstIndex(of: UInt8(ascii: "\n")) { return position + found + 1 }
            position += count
        }
        return end
    }
}
