/// Converts the UTF-8 text of a file to the text to store. The input may be split at any byte.
protocol RecordReader {
    /// Number of documents read so far.
    var documents: Int { get }
    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws
    mutating func finish(to output: inout [UInt8]) throws
}

/// Stores plain text unchanged, as one document.
struct PlainText: RecordReader {
    private(set) var documents = 0

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) { output.append(contentsOf: bytes) }

    mutating func finish(to output: inout [UInt8]) { documents = 1 }
}

extension [UInt8] {
    /// Appends a record as one line, replacing each `\r\n`, `\n` and `\r` in it by a space.
    /// - Returns: false if the record contains only white space and was skipped
    mutating func appendRecord(_ record: [UInt8]) -> Bool {
        guard record.contains(where: { $0 > 0x20 && $0 != 0x7F }) else { return false }
        var isAfterReturn = false
        for byte in record {
            switch byte {
            case UInt8(ascii: "\r"): append(UInt8(ascii: " "))
            case UInt8(ascii: "\n"): if !isAfterReturn { append(UInt8(ascii: " ")) }
            default: append(byte)
            }
            isAfterReturn = byte == UInt8(ascii: "\r")
        }
        append(UInt8(ascii: "\n"))
        return true
    }
}

func lineLimitReason(_ what: String, line: Int, _ limit: Int) -> RejectionError {
    RejectionError("line \(line): \(what) is longer than \(limit) bytes, the limit set by inbox.max_record_bytes")
}
