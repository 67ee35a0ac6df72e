import Crypto
import Digests
import Durable
import Glibc
import Jobs

/// The lines of a file, read in chunks.
///
/// Lines end with `\n`, `\r\n` or `\r`, as in Python's text mode, and optionally with U+0085, U+2028 or U+2029; bytes
/// are otherwise unchanged. A long line is returned in parts, so that memory use is bounded.
struct TextLines {
    struct Line {
        var bytes: [UInt8]
        /// Whether a line end follows. False for the last line of a file without one, and for all but the last part of
        /// a line.
        var isTerminated: Bool
        /// Whether the next part belongs to the same line. At the end of a file there may be none.
        var isContinued = false
        /// Whether the line is not in the part of the file that is used.
        var isOutside = false
    }

    /// The bytes of the file that are used; nil for all. Lines outside of it are marked.
    var used: Range<Int>?
    /// No line that begins at or after this offset is returned; nil returns all lines.
    var end: Int?
    /// Offset of the next line in the file, in bytes.
    var offset: Int { consumed + position }
    /// Size of the chunks before the current one.
    private var consumed = 0

    private let file: OpenFile
    private let hasUnicodeLineEnds: Bool
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Hash of the bytes read so far, if they belong to a corpus.
    private var hash: (corpus: JobCorpus, sha256: SHA256)?
    private static let chunkBytes = 1 << 20
    /// Maximum size of a line that is not returned in parts, in bytes.
    static let partBytes = 4 << 10

    /// - Parameter hasUnicodeLineEnds: whether lines also end with U+0085, U+2028 and U+2029
    init(path: String, hasUnicodeLineEnds: Bool = false) throws(DatasetError) {
        file = try OpenFile(path: path)
        self.hasUnicodeLineEnds = hasUnicodeLineEnds
    }

    /// Opens the file of a corpus. At the end of the file, `next` throws `otherBytes` if the contents do
    /// not match its SHA-256.
    init(corpus: JobCorpus, hasUnicodeLineEnds: Bool = false) throws(DatasetError) {
        try self.init(path: corpus.path, hasUnicodeLineEnds: hasUnicodeLineEnds)
        hash = (corpus, SHA256())
    }

    /// Returns the next line or part of a line, or nil after the last. Text after the last line end counts as a line
    /// only if it is not empty.
    mutating func next() throws(DatasetError) -> Line? {
        let start = offset
        if let end, start >= end { return nil }
        guard var line = try nextUnmarked() else { return nil }
        if let used { line.isOutside = !used.contains(start) }
        return line
    }

    private mutating func nextUnmarked() throws(DatasetError) -> Line? {
        var bytes: [UInt8] = []
        while true {
            if bytes.count >= TextLines.partBytes { return Line(bytes: bytes, isTerminated: false, isContinued: true) }
            if position == buffer.count, try !fill() {
                return bytes.isEmpty ? nil : Line(bytes: bytes, isTerminated: false)
            }
            let end = min(buffer.count, position + TextLines.partBytes - bytes.count)
            let start = position
            position = placeOfLineEnd(in: start..<end)
            bytes.append(contentsOf: buffer[start..<position])
            guard position < end else { continue }
            let byte = buffer[position]
            position += 1
            if byte == UInt8(ascii: "\r") {
                if position == buffer.count { _ = try fill() }
                if position < buffer.count, buffer[position] == UInt8(ascii: "\n") { position += 1 }
            } else if byte != UInt8(ascii: "\n") {
                // Possibly the last byte of a longer line end, whose other bytes have been appended.
                bytes.append(byte)
                let length = bytes.lengthOfLastLineEnd
                guard length > 0 else { continue }
                bytes.removeLast(length)
            }
            return Line(bytes: bytes, isTerminated: true)
        }
    }

    /// Returns the index of the first byte that may end a line, or the end of the range.
    private func placeOfLineEnd(in range: Range<Int>) -> Int {
        buffer.withUnsafeBufferPointer { buffer in
            var place = range.lowerBound
            if hasUnicodeLineEnds {
                while place < range.upperBound {
                    let byte = buffer[place]
                    if byte == 0x0A || byte == 0x0D || byte == 0x85 || byte == 0xA8 || byte == 0xA9 { break }
                    place += 1
                }
            } else {
                while place < range.upperBound, buffer[place] != 0x0A, buffer[place] != 0x0D { place += 1 }
            }
            return place
        }
    }

    /// Replaces the consumed buffer with the next chunk of the file. Returns false at the end of the file.
    private mutating func fill() throws(DatasetError) -> Bool {
        guard !isAtEnd else { return false }
        consumed += buffer.count
        buffer = try file.read(atMost: TextLines.chunkBytes)
        position = 0
        isAtEnd = buffer.isEmpty
        guard isAtEnd else {
            hash?.sha256.update(data: buffer)
            return true
        }
        guard let hash else { return false }
        do throws(DigestMismatch) {
            try DigestMismatch.check(hash.sha256, is: hash.corpus.sha256, path: hash.corpus.path)
            return false
        } catch {
            throw DatasetError(error, of: hash.corpus)
        }
    }
}

extension [UInt8] {
    /// Length of U+0085, U+2028 or U+2029 at the end, or 0.
    fileprivate var lengthOfLastLineEnd: Int {
        if suffix(2) == [0xC2, 0x85] { return 2 }
        let last = suffix(3)
        return last == [0xE2, 0x80, 0xA8] || last == [0xE2, 0x80, 0xA9] ? 3 : 0
    }
}

/// A file descriptor that is closed with the last reference to it.
final class OpenFile {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws(DatasetError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { throw .file(DurableError(operation: "open", path: path, errno: errno)) }
    }

    func size() throws(DatasetError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .file(DurableError(operation: "stat", path: path, errno: errno))
        }
        return Int(status.st_size)
    }

    /// Returns up to `limit` bytes from an offset; fewer only at the end of the file.
    func read(at offset: Int, atMost limit: Int) throws(DatasetError) -> [UInt8] {
        guard lseek(descriptor, offset, SEEK_SET) == offset else {
            throw .file(DurableError(operation: "seek in", path: path, errno: errno))
        }
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let more = try read(atMost: limit - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    func read(atMost limit: Int) throws(DatasetError) -> [UInt8] {
        var failure: Int32?
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            var result = Glibc.read(descriptor, buffer.baseAddress!, limit)
            while result < 0, errno == EINTR { result = Glibc.read(descriptor, buffer.baseAddress!, limit) }
            if result < 0 { failure = errno }
            count = max(result, 0)
        }
        if let failure { throw .file(DurableError(operation: "read", path: path, errno: failure)) }
        return bytes
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
