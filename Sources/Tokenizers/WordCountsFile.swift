import Durable
import Glibc

/// Word counts on disk. They contain all that tokenizer training needs to know about a corpus, and are much smaller.
///
/// Little-endian: the magic, the number of words, the size of all words in bytes, then the counts (`Int64`), the
/// lengths (`UInt32`), the words, and a checksum of everything before it.
extension WordCounts {
    /// Must change whenever texts are split into words differently. `KBWORDS1` files may contain counts of corpora
    /// whose digest was not verified.
    private static let magic = Array("KBWORDS2".utf8)
    private static let headerBytes = 24
    /// Maximum count of a word in one corpus. The sum over all corpora cannot overflow.
    private static let mostTimes: Int64 = 1 << 50

    /// Saves the counts. The file is not synced: `load` detects a file that a power failure has damaged.
    public func save(_ path: String) throws(DurableError) {
        let wordBytes = totalBytes
        let size = Self.headerBytes + count * 12 + wordBytes + 8
        var bytes = [UInt8](repeating: 0, count: size)
        bytes.withUnsafeMutableBytes { file in
            file.copyBytes(from: Self.magic)
            file.storeBytes(of: UInt64(count).littleEndian, toByteOffset: 8, as: UInt64.self)
            file.storeBytes(of: UInt64(wordBytes).littleEndian, toByteOffset: 16, as: UInt64.self)
            var countAt = Self.headerBytes
            var lengthAt = countAt + count * 8
            var wordAt = lengthAt + count * 4
            forEach { word, count in
                file.storeBytes(of: count.littleEndian, toByteOffset: countAt, as: Int64.self)
                file.storeBytes(of: UInt32(word.count).littleEndian, toByteOffset: lengthAt, as: UInt32.self)
                memcpy(file.baseAddress! + wordAt, word.baseAddress!, word.count)
                countAt += 8
                lengthAt += 4
                wordAt += word.count
            }
            file.storeBytes(
                of: Self.checksum(UnsafeRawBufferPointer(rebasing: file[..<wordAt])).littleEndian,
                toByteOffset: wordAt, as: UInt64.self)
        }
        let file = try AtomicFile(for: path)
        try bytes.span.bytes.withUnsafeBytes { bytes throws(DurableError) in try file.append(bytes) }
        try file.publishUnsynced()
    }

    /// - Throws: `TokenizerError` if the file is damaged or has another version
    public static func load(_ path: String) throws(TokenizerError) -> WordCounts {
        let bytes = try TokenizerFile.read(path, atMost: .max)
        guard bytes.count >= headerBytes + 8, bytes.starts(with: magic) else {
            throw TokenizerError(
                path: path, place: "the header", expected: "\(String(decoding: magic, as: UTF8.self)) and two integers",
                found: "\(bytes.count) bytes with a different header")
        }
        return try bytes.span.bytes.withUnsafeBytes { file throws(TokenizerError) in
            let stored = file.loadUnaligned(fromByteOffset: file.count - 8, as: UInt64.self)
            let found = checksum(UnsafeRawBufferPointer(rebasing: file.dropLast(8)))
            guard UInt64(littleEndian: stored) == found else {
                throw TokenizerError(
                    path: path, place: "the checksum", expected: String(UInt64(littleEndian: stored), radix: 16),
                    found: String(found, radix: 16))
            }
            func refuse(_ place: String, _ expected: String, _ found: some Any) -> TokenizerError {
                TokenizerError(path: path, place: place, expected: expected, found: "\(found)")
            }
            // The checksum detects accidental damage only; all values have to be validated.
            let words = UInt64(littleEndian: file.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let wordBytes = UInt64(littleEndian: file.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            let room = UInt64(file.count - headerBytes - 8)
            guard words <= room / 12, wordBytes == room - 12 * words else {
                throw refuse("the header", "sizes that add up to \(file.count) bytes", "\(words) and \(wordBytes)")
            }
            let count = Int(words)
            let end = file.count - 8
            let counts = WordCounts()
            var wordAt = headerBytes + count * 12
            for index in 0..<count {
                let times = Int64(
                    littleEndian: file.loadUnaligned(fromByteOffset: headerBytes + index * 8, as: Int64.self))
                guard (1...mostTimes).contains(times) else {
                    throw refuse("word \(index)", "a count of 1 to \(mostTimes)", times)
                }
                let lengthAt = headerBytes + count * 8 + index * 4
                let length = Int(UInt32(littleEndian: file.loadUnaligned(fromByteOffset: lengthAt, as: UInt32.self)))
                guard length >= 1, length <= end - wordAt else {
                    throw refuse("word \(index)", "1 to \(end - wordAt) bytes", length)
                }
                let word = file.baseAddress!.advanced(by: wordAt).assumingMemoryBound(to: UInt8.self)
                counts.add(word, length, times: times)
                wordAt += length
            }
            guard wordAt == end else { throw refuse("the words", "\(wordBytes) bytes", "\(end - wordAt) fewer") }
            return counts
        }
    }

    package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        byteHash(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
}
