import FoundationEssentials

/// One JSON object a line. A line whose object has no such field, or null in it, has no text; anything else that is not
/// as it should be is refused with its line, for a file cut short looks just so.
struct JSONLines: RecordReader {
    private(set) var documents = 0
    private let field: String
    private let limit: Int
    private let decoder = JSONDecoder()
    private var begun: [UInt8] = []
    private var line = 0
    private var firstKeys: [String]?

    init(field: String, limit: Int) {
        self.field = field
        self.limit = limit
        decoder.userInfo[Row.fieldKey] = field
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            begun.append(contentsOf: rest[..<end])
            try endLine(&output)
            rest = rest[(end + 1)...]
        }
        begun.append(contentsOf: rest)
        guard begun.count <= limit else { throw lineLimitReason("the object", line: line + 1, limit) }
    }

    mutating func finish(to output: inout [UInt8]) throws {
        if !begun.isEmpty { try endLine(&output) }
        guard documents > 0 else {
            let keys = (firstKeys ?? []).prefix(20).map { "‘\($0)’" }.joined(separator: ", ")
            throw Unusable(
                "has no object with text in its field ‘\(field)’; the first has \(keys.isEmpty ? "none" : keys): "
                    + "say which by text_column")
        }
    }

    private mutating func endLine(_ output: inout [UInt8]) throws {
        defer { begun.removeAll(keepingCapacity: true) }
        line += 1
        guard begun.count <= limit else { throw lineLimitReason("the object", line: line, limit) }
        guard begun.contains(where: { $0 > 0x20 }) else { return }
        let row: Row
        do {
            row = try decoder.decode(Row.self, from: Data(begun))
        } catch let error as Unusable {
            throw Unusable("line \(line): \(error.reason)")
        } catch DecodingError.dataCorrupted {
            throw Unusable("line \(line): is not JSON")
        } catch {
            throw Unusable("line \(line): is not a JSON object")
        }
        if firstKeys == nil { firstKeys = row.keys }
        // A text holds no NUL.
        guard let text = row.text else { return }
        if output.appendRecord(Array(text.replacing("\0", with: "\u{FFFD}").utf8)) { documents += 1 }
    }

    private struct Row: Decodable {
        static let fieldKey = CodingUserInfoKey(rawValue: "field")!
        var text: String?
        var keys: [String]

        struct Key: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: Key.self)
            let key = Key(stringValue: decoder.userInfo[Row.fieldKey] as? String ?? "text")
            do {
                text = try object.decodeIfPresent(String.self, forKey: key)
            } catch DecodingError.typeMismatch {
                throw Unusable("its field ‘\(key.stringValue)’ is not a string")
            }
            keys = text == nil ? object.allKeys.map(\.stringValue).sorted() : []
        }
    }
}
