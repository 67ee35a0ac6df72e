import Dispatch
import Durable
import Glibc
import Synchronization

extension CorpusIndex {
    /// Builds the index of a text and publishes it atomically and durably at `path`, replacing an existing file.
    ///
    /// Blocks the calling thread. Uses at most `buildMemory(threads:)`, and disk space of at most
    /// `maximumIndexBytes(textBytes:)`.
    /// - Parameters:
    ///   - text: path of the text, a regular file that does not change
    ///   - sha256: SHA-256 of the text, 64 hexadecimal digits. It is recorded, not verified.
    ///   - path: where to write; the directory must exist and belong to the caller
    ///   - threads: number of threads that sort blocks, including the caller's
    ///   - progress: called with the number of bytes of the text that are indexed, from any of the threads
    public static func build(
        text: String, sha256: String, at path: String, threads: Int = 1,
        progress: @Sendable (Int) -> Void = { _ in }, isCancelled: @Sendable () -> Bool = { false }
    ) throws(IndexError) {
        try build(
            text: text, sha256: sha256, at: path, threads: threads, parameters: IndexParameters(), progress: progress,
            isCancelled: isCancelled)
    }

    package static func build(
        text: String, sha256: String, at path: String, threads: Int, parameters: IndexParameters,
        progress: @Sendable (Int) -> Void = { _ in }, isCancelled: @Sendable () -> Bool = { false }
    ) throws(IndexError) {
        let digest = digestBytes(sha256)
        precondition(digest.count == 32, "not a SHA-256: \(sha256)")
        let file: MappedFile
        let output: IndexOutput
        do {
            file = try MappedFile(text, followsLinks: false)
            output = IndexOutput(try AtomicFile(for: path))
        } catch {
            throw .file(error)
        }
        let view = TextView(file.bytes)
        let parts = parts(of: view, size: parameters.blockBytes)
        let shared = SharedBuild(text: view, parts: parts, parameters)
        withoutActuallyEscaping(progress) { progress in
            withoutActuallyEscaping(isCancelled) { isCancelled in
                DispatchQueue.concurrentPerform(iterations: max(1, min(threads, parts.count))) { _ in
                    shared.work(output, progress: progress, isCancelled: isCancelled)
                }
            }
        }
        try shared.result()
        if isCancelled() { throw .cancelled }
        try output.finish(view, digest: digest)
        withExtendedLifetime(file) {}
    }

    /// Returns an upper bound of the size of an index, for checking free space before it is built. That of English text
    /// is an eighth of it.
    public static func maximumIndexBytes(textBytes: Int) -> Int { 6 * textBytes + 65_536 }

    /// Returns an upper bound of the memory that `build` allocates, in addition to mapped files.
    public static func buildMemory(threads: Int) -> Int { threads << 28 }

    /// Cuts a text between tokens into parts of about `size` bytes: after a line feed or white space in the second half of
    /// the part, or else after the first token that ends there.
    private static func parts(of text: TextView, size: Int) -> [Range<Int>] {
        precondition(size > 0 && size <= 1 << 30)
        var parts: [Range<Int>] = []
        var start = 0
        while start < text.count {
            guard text.count - start > size else {
                parts.append(start..<text.count)
                break
            }
            let half = (start + size / 2)..<(start + size)
            var end = cut(text, in: half) { $0 == 0x0A } ?? cut(text, in: half) { $0 == 0x20 || $0 == 0x09 }
            if end == nil {
                var position = start
                while position < half.upperBound, position < text.count {
                    position = text.firstToken(from: position)
                    if position < text.count { position = text.tokenEnd(from: position) }
                }
                end = position
            }
            parts.append(start..<end!)
            start = end!
        }
        return parts
    }

    /// Returns the last position in a range that is behind a byte for which `isEnd` holds.
    private static func cut(_ text: TextView, in range: Range<Int>, _ isEnd: (UInt8) -> Bool) -> Int? {
        range.last { isEnd(text.base[$0]) }.map { $0 + 1 }
    }

    private static func digestBytes(_ sha256: String) -> [UInt8] {
        let digits = Array(sha256.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index..<(index + 2)], as: UTF8.self), radix: 16)
        }
    }
}

/// The work of several threads: each takes the next part until none is left.
///
/// `@unchecked Sendable`: the text is not written to.
private final class SharedBuild: @unchecked Sendable {
    private struct State {
        var next = 0
        var indexed = 0
        var error: IndexError?
    }

    private let text: TextView
    private let parts: [Range<Int>]
    private let parameters: IndexParameters
    private let state = Mutex(State())

    init(text: TextView, parts: [Range<Int>], _ parameters: IndexParameters) {
        self.text = text
        self.parts = parts
        self.parameters = parameters
    }

    func result() throws(IndexError) {
        if let error = state.withLock({ $0.error }) { throw error }
    }

    func work(_ output: IndexOutput, progress: (Int) -> Void, isCancelled: () -> Bool) {
        do throws(IndexError) {
            let builder = try BlockBuilder(text, parameters)
            while let part = next() {
                var position = part.lowerBound
                while let block = try builder.build(from: position, to: part.upperBound, isCancelled: isCancelled) {
                    try output.append(block)
                    progress(indexed(block.record.textEnd - position))
                    position = block.record.textEnd
                }
                progress(indexed(part.upperBound - position))
            }
        } catch {
            state.withLock { $0.error = $0.error ?? error }
        }
    }

    private func next() -> Range<Int>? {
        state.withLock { state in
            guard state.error == nil, state.next < parts.count else { return nil }
            state.next += 1
            return parts[state.next - 1]
        }
    }

    private func indexed(_ bytes: Int) -> Int {
        state.withLock { state in
            state.indexed += bytes
            return state.indexed
        }
    }
}

/// The file to which blocks are appended in the order in which they are sorted.
///
/// `@unchecked Sendable`: everything is protected by `lock`, or used after the threads have ended.
private final class IndexOutput: @unchecked Sendable {
    private let file: AtomicFile
    private var count = 0
    private var blocks: [BlockRecord] = []
    private let lock = Mutex(())

    init(_ file: AtomicFile) { self.file = file }

    func append(_ block: BlockBuilder.Result) throws(IndexError) {
        try lock.withLock { _ throws(IndexError) in
            var record = block.record
            record.entries = try write(block.entries)
            record.wordStarts = try block.wordStarts.withUnsafeBufferPointer { bytes throws(IndexError) in
                try write(bytes)
            }
            record.wordEnds = try block.wordEnds.withUnsafeBufferPointer { bytes throws(IndexError) in try write(bytes)
            }
            record.wordBytes = try block.wordBytes.withUnsafeBufferPointer { bytes throws(IndexError) in
                try write(bytes)
            }
            blocks.append(record)
        }
    }

    /// Appends the line table, the directory and the trailer, and publishes the file.
    func finish(_ text: TextView, digest: [UInt8]) throws(IndexError) {
        blocks.sort { $0.textStart < $1.textStart }
        var lines: [UInt64] = []
        var line: UInt64 = 0
        for start in stride(from: 0, to: text.count, by: IndexFormat.linesChunk) {
            lines.append(line)
            let end = min(text.count, start + IndexFormat.linesChunk)
            for index in start..<end where text.base[index] == 0x0A { line += 1 }
        }
        if text.count > 0, text.base[text.count - 1] != 0x0A { line += 1 }
        let lineTable = try write(numbers: lines)
        let directoryNumbers = blocks.flatMap { $0.numbers.map { UInt64($0) } }
        let directory = try write(numbers: directoryNumbers)
        let words = stride(from: 0, to: 32, by: 8).map { start in
            digest[start..<(start + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        let tokens = blocks.reduce(0) { $0 + $1.tokens }
        var trailer: [UInt64] = [IndexFormat.magic, IndexFormat.version, CharacterClass.fingerprint]
        trailer += words
        trailer += [
            UInt64(text.count), UInt64(count + IndexFormat.trailer), UInt64(tokens), line, UInt64(blocks.count),
        ]
        trailer += [UInt64(directory), UInt64(lineTable)]
        trailer += [Self.bytes(directoryNumbers).withUnsafeBytes(Checksum.of), 0]
        trailer.append(Self.bytes(trailer).withUnsafeBytes(Checksum.of))
        precondition(trailer.count * 8 == IndexFormat.trailer)
        _ = try write(numbers: trailer)
        do { try file.publish() } catch { throw .file(error) }
    }

    private static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    private func write(numbers: [UInt64]) throws(IndexError) -> Int { try write(Self.bytes(numbers)) }

    private func write(_ bytes: [UInt8]) throws(IndexError) -> Int {
        try bytes.withUnsafeBufferPointer { bytes throws(IndexError) in try write(bytes) }
    }

    /// - Returns: the position in the file
    private func write<Element>(_ elements: UnsafeBufferPointer<Element>) throws(IndexError) -> Int {
        let bytes = UnsafeRawBufferPointer(elements)
        let start = count
        do { try file.append(bytes) } catch { throw .file(error) }
        count += bytes.count
        return start
    }
}
