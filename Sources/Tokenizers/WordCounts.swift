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
            add(text + start, end - start, times: 1)
            start = end
        }
    }
}

extension WordCounts {
    /// Counts the words of one file, read in blocks, on all threads of the pool.
    /// - Parameter progress: called after each block that was read
    public static func count(file path: String, progress: () -> Void = {}) throws(TokenizerError) -> WordCounts {
        try count(file: path, progress: progress) { _ in }
    }

    /// As `count(file:)`, of a file whose SHA-256 is known.
    /// - Throws: `DigestMismatch` where it holds other bytes; `TokenizerError` where it cannot be read
    public static func count(file path: String, sha256: String, progress: () -> Void = {}) throws -> WordCounts {
        var hash = SHA256()
        let counts = try count(file: path, progress: progress) { hash.update(bufferPointer: $0) }
        try DigestMismatch.check(hash, is: sha256, path: path)
        return counts
    }

    /// - Parameter take: gets each block that was read
    private static func count(
        file path: String, progress: () -> Void, take: (UnsafeRawBufferPointer) -> Void
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
            progress()
        }
    }

    /// Counts the words of one text in memory, on all threads of the pool.
    public static func count(text: UnsafeRawBufferPointer) -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        stream.append(text)
        return stream.finish()
    }

    /// Counts the words of one text that comes in pieces, on all threads of the pool.
    static func count(pieces next: () throws -> String?) rethrows -> WordCounts {
        let stream = WordStream(threads: ThreadPool.shared.threads)
        while let piece = try next() { piece.utf8.span.bytes.withUnsafeBytes { stream.append($0) } }
        return stream.finish()
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
