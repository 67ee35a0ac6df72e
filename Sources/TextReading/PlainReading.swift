import Durable
import Glibc
import UTF8Sequences

/// The contents of a file are not plain UTF-8 text, so that a reader with libraries for other encodings and formats has
/// to decide what they are.
package struct NotPlainText: Error {}

extension CorpusReading {
    /// Reads a file that is plain UTF-8: text, a table or JSON.
    /// - Throws: `NotPlainText` if it is anything else, `RejectionError`, `ReadingInterrupted`, and errors thrown by
    ///   `write` and by the spool. After an error, the output must be discarded.
    package mutating func readPlain(name: String, descriptor: Int32, bytes size: Int) throws {
        // A copy, because `readDocument` has exclusive access to the others.
        let options = options
        guard size <= options.maxFileBytes else { throw options.tooLarge(atLeast: size) }
        guard let format = options.format ?? TextFormat.plain(name: name), format != .mail,
            options.encoding.map(EncodingSetting.admitsUTF8) ?? true
        else {
            throw NotPlainText()
        }
        var check = PlainTextCheck(hasKnownEncoding: options.encoding != nil)
        try readDocument(format) { take in
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
            defer { piece.deallocate() }
            var bytesRead = 0
            while true {
                let count = retrying { read(descriptor, piece.baseAddress, piece.count) }
                guard count >= 0 else { throw RejectionError("cannot be read: \(String(cString: strerror(errno)))") }
                if count == 0 { break }
                // The file may grow while it is read.
                bytesRead += count
                guard bytesRead <= options.maxFileBytes else { throw options.tooLarge(atLeast: bytesRead) }
                let bytes = UnsafeRawBufferPointer(rebasing: piece[..<count])
                guard check.append(bytes) else { throw NotPlainText() }
                try take(bytes)
            }
            guard check.finish() else { throw NotPlainText() }
        }
    }
}

/// Recognizes text that is certainly plain UTF-8. Everything else is left to a reader that looks closer, which may find
/// that it is plain text after all.
package struct PlainTextCheck {
    private var begun: [UInt8] = []
    private var isFirst = true
    private let isOutput: Bool
    /// Signs that ASCII is in fact an encoding of seven bits; nil if that does not matter.
    private var hints: SevenBitHints?

    /// - Parameters:
    ///   - isOutput: whether the text comes from a reader, so that only invalid UTF-8 and NUL matter
    ///   - hasKnownEncoding: whether the user says that the text is UTF-8
    package init(isOutput: Bool = false, hasKnownEncoding: Bool = false) {
        self.isOutput = isOutput
        hints = isOutput || hasKnownEncoding ? nil : SevenBitHints()
    }

    /// First bytes of files that are not plain text although they may look like it: archives, documents, markup and
    /// pointers.
    private static let beginnings: [[UInt8]] = [
        "<", "{\\rtf", "%PDF", "%!", "PK", "BZh", "7z", "version https://git-lfs", ".\\\"", "'\\\"", "'''", ".TH ",
        ".Dd ", "Rar!", "!<arch>", "-----BEGIN PGP MESSAGE", "-----BEGIN AGE", "$ANSIBLE_VAULT;", "d8:announce",
    ].map { Array($0.utf8) }

    /// Returns false if the text is not plain UTF-8.
    package mutating func append(_ piece: UnsafeRawBufferPointer) -> Bool {
        if piece.isEmpty { return true }
        if isFirst, !isOutput {
            isFirst = false
            var begin = Array(piece.prefix(256))
            if begin.starts(with: [0xEF, 0xBB, 0xBF]) { begin.removeFirst(3) }
            if JSONSequence.isBeginning(begin) { return false }
            let text = begin.drop { $0 <= 0x20 && $0 != 0x1B }
            if Self.beginnings.contains(where: { text.starts(with: $0) }) { return false }
            let inObject = text.first == UInt8(ascii: "{") ? text.dropFirst().drop { $0 <= 0x20 } : []
            if inObject.starts(with: Array("\"cells\"".utf8)) { return false }
            if MailHead.isPossible(begin), MailHead(piece) != nil { return false }
        }
        // NUL occurs in UTF-16 and binary files, ESC in ISO-2022 and in the output of terminals.
        guard memchr(piece.baseAddress!, 0, piece.count) == nil,
            isOutput || memchr(piece.baseAddress!, 0x1B, piece.count) == nil
        else { return false }
        hints?.append(piece)
        return begun.isEmpty ? takeUTF8(piece) : (begun + Array(piece)).withUnsafeBytes { takeUTF8($0) }
    }

    /// Returns false if the text ends inside a character, or may be in an encoding of seven bits.
    package func finish() -> Bool {
        begun.isEmpty && !(hints.map { $0.mayBeHZ || $0.mayBeUTF7 } ?? false)
    }

    /// Keeps a character that is incomplete at the end.
    /// - Returns: false if anything else is not UTF-8
    private mutating func takeUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.withMemoryRebound(to: UInt8.self) { bytes in
            let valid = UTF8Sequence.validPrefix(bytes.baseAddress!, bytes.count)
            let rest = bytes.count - valid
            if hints != nil, bytes.contains(where: { $0 >= 0x80 }) { hints = nil }
            begun = Array(bytes[valid...].prefix(4))
            return rest == 0 || UTF8Sequence.isIncomplete(bytes.baseAddress! + valid, rest)
        }
    }
}
