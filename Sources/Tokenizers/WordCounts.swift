import Crypto
import Digests
import Durable
import Glibc
import Parallel

/// How often each word of GPT-2's pattern occurs in one or several corpora: all that training a tokenizer needs to
/// know of them. Its memory grows with the distinct words, not with the text.
///
/// Counts of several corpora can be added in any order; training on the sum is training on all of them.
public final class WordCounts {
    fileprivate var words = ByteStringTable()

    public init() {}

    /// Distinct words.
    public var count: Int { words.count }

    /// Bytes of the distinct words together.
    var totalBytes: Int { words.totalBytes }

    /// Bytes of memory that training a tokenizer on these words takes, about: each word's bytes in two tables, as symbols and
    /// as places of pairs, and what is kept of a word beside them.
    public var memory: Int { totalBytes * 16 + count * 128 }

    /// Calls `body` with each word's bytes and its count.
    func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int64) -> Void) {
        for index in 0..<words.count { body(words[index], words.tally(index)) }
    }

    /// Adds a whole text: its end ends a word. Invalid UTF-8 counts as U+FFFD.
    public func add(text: UnsafeRawBufferPointer) {
        let text = text.bindMemory(to: UInt8.self)
        if let repaired = UTF8Repair.repaired(text) {
            repaired.withUnsafeBufferPointer { addValid($0) }
        } else {
            addValid(text)
        }
    }

    /// Adds `times` occurrences of `word`.
    func add(_ word: UnsafePointer<UInt8>, _ length: Int, times: Int64 = 1) {
        words.add(word, length, times: times)
    }

    /// Adds the counts of another corpus.
    public func add(_ other: WordCounts) {
        other.forEach { word, times in
            guard let bytes = word.baseAddress else { return }
            add(bytes, word.count, times: times)
        }
    }

    private func addValid(_ text: UnsafeBufferPointer<UInt8>) {
        guard let bytes = text.baseAddress else { return }
        words.addWords(of: bytes, text.count)
    }
}

extension ByteStringTable {
    /// Adds 1 for each word of a valid text.
    fileprivate mutating func addWords(of text: UnsafePointer<UInt8>, _ count: Int) {
        let preTokenizer = PreTokenizer()
        var start = 0
        while start < count {
            let end = preTokenizer.wordEnd(text, start, count)
            while start < end {
                let piece = preTokenizer.pieceEnd(text, start, end)
                add(text + start, piece - start, times: 1)
                start = piece
            }
        }
    }
}

extension WordCounts {
    /// Counts the words of one file, read in blocks, on all threads of the pool.
    /// - Parameters:
    ///   - memoryLimit: bytes of memory that training on its different words may take; nil: however many
    ///   - progress: called after each block that was read
    /// - Throws: `TokenizerError`, also where the different words are more than that
    public static func count(
        file path: String, memoryLimit: Int? = nil, progress: () -> Void = {}
    ) throws(TokenizerError) -> WordCounts {
        try count(file: path, memoryLimit: memoryLimit, progress: progress) { _ in }
    }

    /// As `count(file:memoryLimit:progress:)`, of a file whose SHA-256 is known.
    /// - Throws: `DigestMismatch` where it holds other bytes; `TokenizerError` where it cannot be read, or its different words
    ///   take more memory than the limit
    public static func count(
        file path: String, sha256: String, memoryLimit: Int? = nil, progress: () -> Void = {}
    ) throws -> WordCounts {
        var hash = SHA256()
        let counts = try count(file: path, memoryLimit: memoryLimit, progress: progress) {
            hash.update(bufferPointer: $0)
        }
        try DigestMismatch.check(hash, is: sha256, path: path)
        return counts
    }

    /// - Parameter take: gets each block that was read
    private static func count(
        file path: String, memoryLimit: Int?, progress: () -> Void, take: (UnsafeRawBufferPointer) -> Void
    ) throws(TokenizerError) -> WordCounts {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path, "a readable file") }
        defer { close(descriptor) }
        let stream = WordStream(threads: ThreadPool.shared.threads)
        while true {
            let room = stream.room()
            let count = read(descriptor, room.baseAddress!, room.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system(path, "a readable file") }
            if count == 0 { return stream.finish() }
            take(UnsafeRawBufferPointer(rebasing: room[..<count]))
            stream.filled(count)
            try stream.require(memoryLimit, path)
            progress()
        }
    }

    /// Counts the words of one text in memory, on all threads of the pool.
    public static func count(text: UnsafeRawBufferPointer) -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        stream.append(text)
        return stream.finish()
    }

    /// As `count(text:)`, as if the text came in blocks of these sizes, in turn.
    package static func count(text: [UInt8], inBlocksOf sizes: [Int]) -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        var start = 0
        var block = 0
        while start < text.count {
            let end = min(start + sizes[block % sizes.count], text.count)
            text[start..<end].withUnsafeBytes { stream.append($0) }
            (start, block) = (end, block + 1)
        }
        return stream.finish()
    }

    /// Counts the words of one text that comes in pieces, on all threads of the pool.
    static func count(pieces next: () throws -> String?) rethrows -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        while let piece = try next() { piece.utf8.span.bytes.withUnsafeBytes { stream.append($0) } }
        return stream.finish()
    }

    /// As `count(file:)`, of a text that comes in pieces.
    /// - Parameters:
    ///   - name: for the error
    ///   - next: the next piece, whole characters; nil at the end
    public static func count(
        name: String, memoryLimit: Int?, pieces next: () throws -> String?
    ) throws -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        while let piece = try next() {
            piece.utf8.span.bytes.withUnsafeBytes { stream.append($0) }
            try stream.require(memoryLimit, name)
        }
        return stream.finish()
    }
}

extension WordStream {
    /// - Throws: `TokenizerError` where the different words take more memory
    fileprivate func require(_ limit: Int?, _ path: String) throws(TokenizerError) {
        guard let limit, wordMemory > limit else { return }
        throw TokenizerError(
            path: path, place: "its different words", expected: "at most \(limit / 1_000_000) MB of memory for them",
            found: "more: it is no text of a language, or too much of it")
    }
}

extension TokenizerError {
    /// What the last system call reported.
    static func system(_ path: String, _ expected: String) -> TokenizerError {
        TokenizerError(path: path, expected: expected, found: String(cString: strerror(errno)))
    }
}

extension WordCounts: Equatable {
    /// The same words as often, in whatever order they came.
    public static func == (a: WordCounts, b: WordCounts) -> Bool {
        guard a.count == b.count else { return false }
        var same = true
        a.forEach { word, times in
            if same { same = b.times(of: Array(word)) == times }
        }
        return same
    }

    /// How often `word` occurs.
    public func times(of word: [UInt8]) -> Int64 { words.find(word).map { words.tally($0) } ?? 0 }
}
