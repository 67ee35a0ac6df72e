import Crypto
import Digests
import Durable
import Glibc
import Parallel

/// The number of occurrences of each word of GPT-2's pattern in one or more corpora, which is all that tokenizer
/// training needs. Memory grows with the number of distinct words, not with the length of the text.
///
/// Counts of several corpora can be added in any order. Training on the sum is equivalent to training on all corpora.
public final class WordCounts {
    fileprivate var words = ByteStringTable()

    public init() {}

    /// Number of distinct words.
    public var count: Int { words.count }

    /// Total size in bytes of the distinct words.
    var totalBytes: Int { words.totalBytes }

    /// Size in bytes of the counted texts.
    public var textBytes: Int {
        var bytes = 0
        forEach { bytes += $0.count * Int($1) }
        return bytes
    }

    /// Approximate memory in bytes needed to train a tokenizer on these words: the bytes of each word in two tables, as
    /// symbols and as positions of pairs, plus the metadata of each word.
    public var memory: Int { totalBytes * 16 + count * 128 }

    /// Calls `body` with the bytes and the count of each word.
    func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int64) -> Void) {
        for index in 0..<words.count { body(words[index], words.tally(index)) }
    }

    /// Adds a complete text, whose end also ends a word. Invalid UTF-8 is treated as U+FFFD.
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
    /// Adds the words of valid UTF-8 text.
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
    /// Counts the words of a file, which is read in blocks, on all threads of the pool.
    /// - Parameters:
    ///   - memoryLimit: maximum memory in bytes that training on the distinct words may use, or nil for no limit
    ///   - progress: called after each block
    /// - Throws: `TokenizerError` if the file cannot be read or the distinct words exceed the memory limit
    public static func count(
        file path: String, memoryLimit: Int? = nil, progress: () -> Void = {}
    ) throws(TokenizerError) -> WordCounts {
        try count(file: path, memoryLimit: memoryLimit, progress: progress) { _ in }
    }

    /// Same as `count(file:memoryLimit:progress:)`, but verifies the SHA-256 of the file.
    /// - Throws: `DigestMismatch` if the contents do not match; `TokenizerError` if the file cannot be read or the
    ///   distinct words exceed the memory limit
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

    /// Counts the words of a small text in memory on the calling thread, and verifies its SHA-256.
    /// - Parameter path: used in the error
    /// - Throws: `DigestMismatch`
    static func count(text: [UInt8], sha256: String, path: String) throws -> WordCounts {
        try DigestMismatch.check(SHA256.hash(data: text), is: sha256, path: path)
        let counts = WordCounts()
        text.withUnsafeBytes { counts.add(text: $0) }
        return counts
    }

    /// - Parameter take: called with each block that was read
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

    /// Counts the words of a text in memory on all threads of the pool.
    public static func count(text: UnsafeRawBufferPointer) -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        stream.append(text)
        return stream.finish()
    }

    /// Same as `count(text:)`, but simulates a text that arrives in blocks of the given sizes, which are cycled.
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

    /// Counts the words of a text that is streamed in pieces on all threads of the pool.
    static func count(pieces next: () throws -> String?) rethrows -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        while let piece = try next() { piece.utf8.span.bytes.withUnsafeBytes { stream.append($0) } }
        return stream.finish()
    }

    /// Same as `count(file:)`, but for a text that is streamed in pieces.
    /// - Parameters:
    ///   - name: used in errors
    ///   - next: returns the next piece, which consists of complete characters, or nil at the end
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
    /// - Throws: `TokenizerError` if the distinct words exceed the memory limit
    fileprivate func require(_ limit: Int?, _ path: String) throws(TokenizerError) {
        guard let limit, wordMemory > limit else { return }
        throw TokenizerError(
            path: path, place: "its distinct words", expected: "at most \(limit / 1_000_000) MB of memory for them",
            found: "more: the text is not natural language, or there is too much of it")
    }
}

extension TokenizerError {
    /// Returns an error for the current `errno`.
    static func system(_ path: String, _ expected: String) -> TokenizerError {
        TokenizerError(path: path, expected: expected, found: String(cString: strerror(errno)))
    }
}

extension WordCounts: Equatable {
    /// Whether both contain the same words with the same counts, in any order.
    public static func == (a: WordCounts, b: WordCounts) -> Bool {
        guard a.count == b.count else { return false }
        var same = true
        a.forEach { word, times in
            if same { same = b.times(of: Array(word)) == times }
        }
        return same
    }

    /// Returns the number of occurrences of `word`.
    public func times(of word: [UInt8]) -> Int64 { words.find(word).map { words.tally($0) } ?? 0 }
}
