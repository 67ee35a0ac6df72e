/// Reads JSON Lines, one object per line. A line whose object lacks the field, or has null in it, has no text. Any
/// other deviation is rejected with its line number, because a truncated file looks the same.
///
/// Only the text of a line is held in memory, and time is linear in the input.
struct JSONLines: RecordReader {
    private(set) var documents = 0
    private let field: String
    private let limit: Int
    private var scanner: JSONScanner
    private var line = 1
    private var lineBytes = 0
    /// Whether the line contains anything besides white space and control characters.
    private var hasContent = false
    /// Number of fields of the first object.
    private var firstFieldCount: Int?

    init(field: String, limit: Int) {
        self.field = field
        self.limit = limit
        scanner = JSONScanner(field: Array(field.utf8))
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                try endLine(&output)
                continue
            }
            lineBytes += 1
            guard lineBytes <= limit else { throw lineLimitReason("the object", line: line, limit) }
            if byte > 0x20 { hasContent = true }
            scanner.take(byte)
        }
    }

    mutating func finish(to output: inout [UInt8]) throws {
        if lineBytes > 0 { try endLine(&output) }
        guard documents > 0 else {
            let first =
                switch firstFieldCount {
                case nil: "no object found"
                case 1?: "the first object has 1 field"
                case let count?: "the first object has \(count) fields"
                }
            throw RejectionError(
                "has no object with text in field ‘\(field)’ (\(first)): set text_column in .kbconfig.yaml"
            )
        }
    }

    private mutating func endLine(_ output: inout [UInt8]) throws {
        defer {
            scanner.reset()
            (lineBytes, hasContent) = (0, false)
            line += 1
        }
        guard hasContent else { return }
        switch scanner.end() {
        case .noJSON: throw RejectionError("line \(line): invalid JSON")
        case .tooDeep:
            throw RejectionError("line \(line): nested more than \(JSONScanner.deepest) levels deep")
        case .noObject: throw RejectionError("line \(line): not a JSON object")
        case .noString: throw RejectionError("line \(line): field ‘\(field)’ is not a string")
        case .text(let text, let fieldCount):
            if firstFieldCount == nil { firstFieldCount = fieldCount }
            if let text, output.appendRecord(text) { documents += 1 }
        }
    }
}
