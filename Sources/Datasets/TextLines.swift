import Crypto
import Digests
import Durable
import Glibc
import Jobs

/// The lines of a file, read a piece at a time.
///
/// `\n`, `\r\n` and `\r` end a line, as where Python opens a file as text; bytes are left as they are otherwise. A line that is
/// longer than `LongText.limit` comes in pieces: memory does not grow with it.
struct TextLines {
    struct Line {
        var bytes: [UInt8]
        /// Whether an end of line follows; only the last line, and a piece of one that goes on, lack it.
        var isTerminated: Bool
        /// Whether the next piece belongs to the same line.
        var goesOn = false
    }

    private let file: OpenFile
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Of what has been read, where it is to be that of a corpus.
    private var hash: (corpus: JobCorpus, sha256: SHA256)?
    /// What a cut has left of a line.
    private var rest: [UInt8] = []
    private static let pieceBytes = 1 << 20

    init(path: String) throws(DatasetError) {
        file = try OpenFile(path: path)
    }

    /// The lines of a corpus. At its end, `next` throws `otherBytes` where it was not the bytes of its SHA-256 that have
    /// been read.
    init(corpus: JobCorpus) throws(DatasetError) {
        try self.init(path: corpus.path)
        hash = (corpus, SHA256())
    }

    /// The next line or piece of one, or nil after the last; what follows the last end of line is a line only if it is not
    /// empty.
    mutating func next() throws(DatasetError) -> Line? {
        var bytes = rest
        rest = []
        while true {
            if let cut = LongText.cut(bytes) {
                rest = Array(bytes[cut...])
                bytes.removeSubrange(cut...)
                return Line(bytes: bytes, isTerminated: false, goesOn: true)
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
            // The line's end, if it is here, stays for the last piece.
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

    /// Replaces the used-up buffer by the next piece of the file; false at its end.
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

/// A descriptor that is closed with the last reference to it.
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
