/// One JSON object a line. A line whose object has no such field, or null in it, has no text; anything else that is not
/// as it should be is refused with its line, for a file cut short looks just so.
///
/// Of a line only the text is kept, whatever else is in it, and work grows with its bytes alone.
struct JSONLines: RecordReader {
    private(set) var documents = 0
    private let field: String
    private let limit: Int
    private var scanner: JSONScanner
    private var line = 1
    private var lineBytes = 0
    /// Whether anything but white space and control characters has come.
    private var hasContent = false
    /// Fields of the first object.
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
                case nil: "there is no object"
                case 1?: "the first has 1 field"
                case let count?: "the first has \(count) fields"
                }
            throw Unusable(
                "has no object with text in its field ‘\(field)’; \(first): text_column in .kbconfig.yaml names another"
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
        case .noJSON: throw Unusable("line \(line): is not JSON")
        case .tooDeep:
            throw Unusable("line \(line): is nested more than \(JSONScanner.deepest) deep, which is not read")
        case .noObject: throw Unusable("line \(line): is not a JSON object")
        case .noString: throw Unusable("line \(line): its field ‘\(field)’ is not a string")
        case .text(let text, let fieldCount):
            if firstFieldCount == nil { firstFieldCount = fieldCount }
            if let text, output.appendRecord(text) { documents += 1 }
        }
    }
}
