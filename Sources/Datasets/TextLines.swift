import Crypto
import Digests
import Durable
import Glibc
import Jobs

/// The lines of a file, read in chunks.
///
/// Lines end with `\n`, `\r\n` or `\r`, as in Python's text mode; bytes are otherwise unchanged. A line longer than
/// `LongText.limit` is returned in pieces, so that memory use is bounded.
struct TextLines {
    struct Line {
        var bytes: [UInt8]
        /// Whether a line end follows. False for the last line of a file without one, and for all but the last piece of
        /// a line.
        var isTerminated: Bool
        /// Whether the next piece belongs to the same line.
        var isContinued = false
    }

    private let file: OpenFile
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Hash of the bytes read so far, if they belong to a corpus.
    private var hash: (corpus: JobCorpus, sha256: SHA256)?
    /// Remainder of a line after a split.
    private var rest: [UInt8] = []
    private static let pieceBytes = 1 << 20

    init(path: String) throws(DatasetError) {
        file = try OpenFile(path: path)
    }

    /// Opens the file of a corpus. At the end of the file, `next` throws `otherBytes` if the contents do
    /// not match its SHA-256.
    init(corpus: JobCorpus) throws(DatasetError) {
        try self.init(path: corpus.path)
        hash = (corpus, SHA256())
    }

    /// Returns the next line or piece of a line, or nil after the last. Text after the last line end counts as a line
    /// only if it is not empty.
    mutating func next() throws(DatasetError) -> Line? {
        var bytes = rest
        rest = []
        while true {
            if let cut = LongText.cut(bytes) {
                rest = Array(bytes[cut...])
                bytes.removeSubrange(cut...)
                return Line(bytes: bytes, isTerminated: false, isContinued: true)
            }
            if position == buffer.count, try !fill() {
                return bytes.isEmpty ? nil : Line(bytes: bytes, isTerminated: false)
            }
            let start = position
            while position < buffer.count, buffer[position] != UInt8(ascii: "\n"),
                buffer[position] != UInt8(ascii: "\r")
            {
                position += 1
            }
            bytes.append(contentsOf: buffer[start..<position])
            // If the line must be split, its line end stays in the buffer for the last piece.
            guard position < buffer.count, bytes.count <= LongText.limit else { continue }
            let isReturn = buffer[position] == UInt8(ascii: "\r")
            position += 1
            if isReturn {
                if position == buffer.count { _ = try fill() }
                if position < buffer.count, buffer[position] == UInt8(ascii: "\n") { position += 1 }
            }
            return Line(bytes: bytes, isTerminated: true)
        }
    }

    /// Replaces the consumed buffer with the next chunk of the file. Returns false at the end of the file.
    private mutating func fill() throws(DatasetError) -> Bool {
        guard !isAtEnd else { return false }
        buffer = try file.read(atMost: TextLines.pieceBytes)
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

/// A file descriptor that is closed with the last reference to it.
private final class OpenFile {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws(DatasetError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { throw .file(DurableError(operation: "open", path: path, errno: errno)) }
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
