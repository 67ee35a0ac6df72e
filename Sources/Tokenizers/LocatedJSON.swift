/// A JSON document that preserves what Foundation's parser does not: the order of object keys, duplicate keys, and the
/// line of each value, which is needed to locate errors in large vocabularies.
///
/// A value is an index into the document, which consists of the bytes and 16 bytes per value. Strings are decoded on
/// demand.
struct LocatedJSON {
    enum Content {
        case object
        case array
        /// Decoded, in UTF-8.
        case string([UInt8])
        /// The literal as written.
        case number([UInt8])
        case bool(Bool)
        case null
    }

    fileprivate let document: JSONDocument
    fileprivate let node: Int

    var line: Int { Int(document.nodes[node].line) }

    var content: Content {
        let (start, end) = (Int(document.nodes[node].start), Int(document.nodes[node].end))
        switch document.bytes[start] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string(document.string(start))
        case UInt8(ascii: "t"): return .bool(true)
        case UInt8(ascii: "f"): return .bool(false)
        case UInt8(ascii: "n"): return .null
        default: return .number(Array(document.bytes[start..<end]))
        }
    }

    /// A description of the value for error messages.
    var kind: String {
        switch content {
        case .object: "an object"
        case .array: "an array"
        case .string(let text): shown(text)
        case .number(let text): String(decoding: text, as: UTF8.self)
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        }
    }

    /// The values in an object (alternating keys and values) or in an array, in document order.
    fileprivate var children: some Sequence<LocatedJSON> {
        let end = Int(document.nodes[node].next)
        return sequence(state: node + 1) { [document] next -> LocatedJSON? in
            guard next < end else { return nil }
            defer { next = Int(document.nodes[next].next) }
            return LocatedJSON(document: document, node: next)
        }
    }

    static func parse(_ bytes: [UInt8], path: String) throws(TokenizerError) -> LocatedJSON {
        let nodes = try bytes.span.withUnsafeBufferPointer { bytes throws(TokenizerError) in
            var parser = JSONParser(bytes: bytes, path: path)
            try parser.document()
            return parser.nodes
        }
        return LocatedJSON(document: JSONDocument(bytes: bytes, nodes: nodes), node: 0)
    }
}

/// Validated JSON and the locations of its values. The descendants of an object or an array follow it in `nodes`.
private final class JSONDocument {
    struct Node {
        /// Byte range of the value.
        let start: UInt32
        var end: UInt32
        /// Index of the node after all descendants of this one.
        var next: UInt32
        let line: UInt32
    }

    let bytes: [UInt8]
    let nodes: [Node]

    init(bytes: [UInt8], nodes: [Node]) {
        self.bytes = bytes
        self.nodes = nodes
    }

    func string(_ start: Int) -> [UInt8] {
        bytes.withUnsafeBufferPointer { bytes in
            var parser = JSONParser(bytes: bytes, path: "")
            parser.position = start
            guard let text = try? parser.string() else { fatalError("string was validated during parsing") }
            return text
        }
    }
}

/// Returns the bytes as quoted text for error messages, at most 100 bytes of them.
func shown(_ text: some Collection<UInt8>) -> String {
    "“\(String(decoding: text.prefix(100), as: UTF8.self))\(text.count > 100 ? "…" : "")”"
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let path: String
    var position = 0
    var line = 1
    /// Nesting depth, limited to protect the stack. No tokenizer file needs more.
    var depth = 0
    static let deepest = 64
    var nodes: [JSONDocument.Node] = []
    /// Maximum number of values. A tokenizer with a million tokens has five million.
    static let mostNodes = 8_000_000
    static let longestNumber = 64

    init(bytes: UnsafeBufferPointer<UInt8>, path: String) {
        self.bytes = bytes
        self.path = path
    }

    mutating func document() throws(TokenizerError) {
        guard bytes.count < Int(UInt32.max) else { throw error("a file of less than 4 GB") }
        try value()
        skipSpace()
        guard position == bytes.count else { throw error("the end of the file") }
    }

    private func error(_ expected: String) -> TokenizerError {
        let found: String
        if position < bytes.count {
            let byte = bytes[position]
            let isPrintable = byte > 0x20 && byte < 0x7F
            found = isPrintable ? "“\(Character(Unicode.Scalar(byte)))”" : "byte \(byte)"
        } else {
            found = "the end of the file"
        }
        return TokenizerError(path: path, place: "line \(line)", expected: expected, found: found)
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x0A: line += 1
            case 0x20, 0x09, 0x0D: break
            default: return
            }
            position += 1
        }
    }

    private mutating func take(_ byte: Character) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(TokenizerError) {
        skipSpace()
        guard position < bytes.count else { throw error("a JSON value") }
        let node = try addNode()
        switch bytes[position] {
        case UInt8(ascii: "{"): try members()
        case UInt8(ascii: "["): try elements()
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: throw error("a JSON value")
        }
        endNode(node)
    }

    private mutating func addNode() throws(TokenizerError) -> Int {
        guard nodes.count < Self.mostNodes else { throw error("at most \(Self.mostNodes) values") }
        nodes.append(.init(start: UInt32(position), end: 0, next: 0, line: UInt32(line)))
        return nodes.count - 1
    }

    private mutating func endNode(_ node: Int) {
        nodes[node].end = UInt32(position)
        nodes[node].next = UInt32(nodes.count)
    }

    private mutating func word(_ text: StaticString) throws(TokenizerError) {
        for index in 0..<text.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == text.utf8Start[index] else { throw error("“\(text)”") }
            position += 1
        }
    }

    private mutating func nest() throws(TokenizerError) {
        depth += 1
        guard depth <= Self.deepest else { throw error("at most \(Self.deepest) levels of nesting") }
        position += 1
    }

    private mutating func members() throws(TokenizerError) {
        try nest()
        defer { depth -= 1 }
        if take("}") { return }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw error("a quoted key") }
            let key = try addNode()
            _ = try string()
            endNode(key)
            guard take(":") else { throw error("“:”") }
            try value()
            if take("}") { return }
            guard take(",") else { throw error("“,” or “}”") }
        }
    }

    private mutating func elements() throws(TokenizerError) {
        try nest()
        defer { depth -= 1 }
        if take("]") { return }
        while true {
            try value()
            if take("]") { return }
            guard take(",") else { throw error("“,” or “]”") }
        }
    }

    private mutating func number() throws(TokenizerError) {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                position += 1
                continue
            default: break
            }
            break
        }
        guard position - start <= Self.longestNumber,
            Double(String(decoding: bytes[start..<position], as: UTF8.self)) != nil
        else { throw error("a number") }
    }

    mutating func string() throws(TokenizerError) -> [UInt8] {
        position += 1
        var text: [UInt8] = []
        while true {
            let start = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\"),
                bytes[position] >= 0x20
            {
                position += 1
            }
            text += bytes[start..<position]
            guard position < bytes.count else { throw error("a closing quote") }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                guard text.withUnsafeBufferPointer({ UTF8Repair.repaired($0) == nil }) else {
                    throw error("valid UTF-8 in the preceding string")
                }
                return text
            case UInt8(ascii: "\\"): try escape(&text)
            default: throw error("no unescaped control character in a string")
            }
        }
    }

    private mutating func escape(_ text: inout [UInt8]) throws(TokenizerError) {
        position += 1
        guard position < bytes.count else { throw error("an escaped character") }
        let escaped = bytes[position]
        position += 1
        switch escaped {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escaped)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if code & 0xFC00 == 0xD800, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard low & 0xFC00 == 0xDC00 else { throw error("a low surrogate after the high surrogate") }
                code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("a complete surrogate pair") }
            text += Array(String(Character(scalar)).utf8)
        default:
            position -= 1
            throw error("one of \" \\ / b f n r t u after a backslash")
        }
    }

    private mutating func hexadecimal() throws(TokenizerError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw error("four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}

extension LocatedJSON {
    /// A value and its path in the document, so that errors can be located.
    struct Field {
        let value: LocatedJSON
        let path: String
        private let parent: String
        private let step: Step

        private enum Step {
            case root
            case member(LocatedJSON)
            case element(Int)
        }

        init(root: LocatedJSON, path: String) {
            self.init(value: root, path: path, parent: "", step: .root)
        }

        private init(value: LocatedJSON, path: String, parent: String, step: Step) {
            self.value = value
            self.path = path
            self.parent = parent
            self.step = step
        }

        /// The path of the value, such as `model.merges[3]`.
        var key: String {
            switch step {
            case .root: return ""
            case .element(let index): return "\(parent)[\(index)]"
            case .member(let name):
                guard case .string(let text) = name.content else { return parent }
                let name = String(decoding: text.prefix(100), as: UTF8.self)
                return parent.isEmpty ? name : "\(parent).\(name)"
            }
        }

        func error(_ expected: String) -> TokenizerError { errorWithoutValue(expected, value.kind) }

        /// The number of an object's members.
        func memberCount() throws(TokenizerError) -> Int {
            guard case .object = value.content else { throw error("an object") }
            return value.children.reduce(0) { count, _ in count + 1 } / 2
        }

        func forEachMember(_ body: ([UInt8], Field) throws(TokenizerError) -> Void) throws(TokenizerError) {
            guard case .object = value.content else { throw error("an object") }
            let parent = key
            var last: LocatedJSON?
            for child in value.children {
                guard let name = last else {
                    last = child
                    continue
                }
                last = nil
                guard case .string(let text) = name.content else { continue }
                try body(text, Field(value: child, path: path, parent: parent, step: .member(name)))
            }
        }

        /// Returns the member with this name, or nil if it is null or missing.
        func member(_ name: String) throws(TokenizerError) -> Field? {
            let wanted = Array(name.utf8)
            var found: Field?
            try forEachMember { key, field throws(TokenizerError) in
                guard key == wanted else { return }
                guard found == nil else { throw field.errorWithoutValue("unique keys", "“\(name)” twice") }
                found = field
            }
            guard let found else { return nil }
            if case .null = found.value.content { return nil }
            return found
        }

        func required(_ name: String) throws(TokenizerError) -> Field {
            guard let member = try member(name) else { throw error("an object with “\(name)”") }
            return member
        }

        func forEachElement(_ body: (Field) throws(TokenizerError) -> Void) throws(TokenizerError) {
            guard case .array = value.content else { throw error("an array") }
            let parent = key
            var index = 0
            for child in value.children {
                try body(Field(value: child, path: path, parent: parent, step: .element(index)))
                index += 1
            }
        }

        /// - Parameter limit: maximum number of elements
        func elements(atMost limit: Int) throws(TokenizerError) -> [Field] {
            var elements: [Field] = []
            try forEachElement { element throws(TokenizerError) in
                guard elements.count < limit else { throw errorWithoutValue("at most \(limit)", "more") }
                elements.append(element)
            }
            return elements
        }

        func bytes() throws(TokenizerError) -> [UInt8] {
            guard case .string(let text) = value.content else { throw error("a string") }
            return text
        }

        func string() throws(TokenizerError) -> String { String(decoding: try bytes(), as: UTF8.self) }

        func bool() throws(TokenizerError) -> Bool {
            guard case .bool(let value) = value.content else { throw error("true or false") }
            return value
        }

        func integer(_ range: ClosedRange<Int>) throws(TokenizerError) -> Int {
            guard case .number(let text) = value.content, let number = Int(String(decoding: text, as: UTF8.self)),
                range.contains(number)
            else { throw error("an integer from \(range.lowerBound) to \(range.upperBound)") }
            return number
        }
    }
}
