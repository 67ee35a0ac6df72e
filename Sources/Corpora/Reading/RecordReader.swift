/// Makes the text to store of the text that comes, whose bytes are UTF-8 and may be cut anywhere.
protocol RecordReader {
    /// Documents so far.
    var documents: Int { get }
    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws
    mutating func finish(to output: inout [UInt8]) throws
}

/// Plain text: as it is, one document.
struct PlainText: RecordReader {
    private(set) var documents = 0

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) { output.append(contentsOf: bytes) }

    mutating func finish(to output: inout [UInt8]) { documents = 1 }
}

extension [UInt8] {
    /// Appends a record as one line: `\r\n`, `\n` and `\r` in it, which would end the line, become a space each.
    /// - Returns: false where it holds nothing but white space, and is left out
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

func lineLimitReason(_ what: String, line: Int, _ limit: Int) -> Unusable {
    Unusable("line \(line): \(what) is longer than inbox.max_record_bytes, which is \(limit)")
}
