import Conversations

/// Converts the UTF-8 text of a file to the text to store. The input may be split at any byte.
protocol RecordReader {
    /// Number of documents read so far.
    var documents: Int { get }
    /// The format in words, valid after `finish` and `proceed`.
    var formatDescription: String { get }
    /// Sentences about text that was left out or changed, valid after `finish` and `proceed`.
    var warnings: [String] { get }
    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws
    mutating func finish(to output: inout [UInt8]) throws
    /// Appends a part of the text that was not stored before `finish` returned.
    /// - Returns: false if there is no more
    mutating func proceed(to output: inout [UInt8]) throws -> Bool
}

extension RecordReader {
    mutating func proceed(to output: inout [UInt8]) -> Bool { false }
}

/// Stores plain text unchanged, as one document.
struct PlainText: RecordReader {
    private(set) var documents = 0
    let formatDescription = "plain text"
    let warnings: [String] = []

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) { output.append(contentsOf: bytes) }

    mutating func finish(to output: inout [UInt8]) { documents = 1 }
}

extension [UInt8] {
    /// Appends a record as one line. A text that has the stored form of a conversation is preceded by a space, so that it stays text:
    /// whoever writes a text must not be able to forge messages. Replaces each `\r\n`, `\n` and `\r` in it by a space. A byte order
    /// mark at its beginning, where files were joined, is removed.
    /// - Parameter isConversation: whether the record is a conversation, of which only the reader made the stored form
    /// - Returns: false if the record contains only white space and was skipped
    mutating func appendRecord(_ record: [UInt8], isConversation: Bool = false) -> Bool {
        var rest = record[...]
        while rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest.removeFirst(3) }
        guard rest.contains(where: { $0 > 0x20 && $0 != 0x7F }) else { return false }
        if !isConversation, Conversation.isLikely(rest) { append(UInt8(ascii: " ")) }
        while let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            append(contentsOf: rest[..<end])
            append(UInt8(ascii: " "))
            let isPair =
                rest[end] == UInt8(ascii: "\r") && end + 1 < rest.endIndex && rest[end + 1] == UInt8(ascii: "\n")
            rest = rest[(end + (isPair ? 2 : 1))...]
        }
        append(contentsOf: rest)
        append(UInt8(ascii: "\n"))
        return true
    }
}

func lineLimitReason(_ what: String, line: Int, _ limit: Int) -> RejectionError {
    RejectionError("line \(line): \(what) is longer than \(limit) bytes, the limit set by inbox.max_record_bytes")
}
