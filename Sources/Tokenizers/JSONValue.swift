/// A JSON document with what Foundation's reader does not keep: the order of an object's keys, keys that come twice,
/// and the line where each value stands. A vocabulary is large and a mistake in it has to be found.
struct JSONValue {
    indirect enum Content {
        case object([(key: [UInt8], value: JSONValue)])
        case array([JSONValue])
        /// UTF-8
        case string([UInt8])
        /// As it is written.
        case number([UInt8])
        case bool(Bool)
        case null
    }

    let content: Content
    let line: Int

    /// What it is, for messages.
    var kind: String {
        switch content {
        case .object: "an object"
        case .array: "an array"
        case .string(let text): "“\(String(decoding: text, as: UTF8.self))”"
        case .number(let text): String(decoding: text, as: UTF8.self)
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        }
    }

    static func parse(_ bytes: [UInt8], path: String) throws(TokenizerError) -> JSONValue {
        try bytes.span.withUnsafeBufferPointer { bytes throws(TokenizerError) in
            var parser = JSONParser(bytes: bytes, path: path)
            return try parser.document()
        }
    }
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let path: String
    var position = 0
    var line = 1
    /// Deeper nesting than any tokenizer has would only exhaust the stack.
    var depth = 0
    static let deepest = 64

    init(bytes: UnsafeBufferPointer<UInt8>, path: String) {
        self.bytes = bytes
        self.path = path
    }

    mutating func document() throws(TokenizerError) -> JSONValue {
        let value = try value()
        skipSpace()
        guard position == bytes.count else { throw error("the end of the file") }
        return value
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

    private mutating func value() throws(TokenizerError) -> JSONValue {
        skipSpace()
        guard position < bytes.count else { throw error("a JSON value") }
        let start = line
        let content: JSONValue.Content
        switch bytes[position] {
        case UInt8(ascii: "{"): content = .object(try members())
        case UInt8(ascii: "["): content = .array(try elements())
        case UInt8(ascii: "\""): content = .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): content = .number(try number())
        case UInt8(ascii: "t"): content = try word("true", .bool(true))
        case UInt8(ascii: "f"): content = try word("false", .bool(false))
        case UInt8(ascii: "n"): content = try word("null", .null)
        default: throw error("a JSON value")
        }
        return JSONValue(content: content, line: start)
    }

    private mutating func word(_ text: StaticString, _ content: JSONValue.Content) throws(TokenizerError)
        -> JSONValue.Content
    {
        for index in 0..<text.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == text.utf8Start[index] else { throw error("“\(text)”") }
            position += 1
        }
        return content
    }

    private mutating func nest() throws(TokenizerError) {
        depth += 1
        guard depth <= Self.deepest else { throw error("at most \(Self.deepest) levels of nesting") }
        position += 1
    }

    private mutating func members() throws(TokenizerError) -> [(key: [UInt8], value: JSONValue)] {
        try nest()
        defer { depth -= 1 }
        var members: [(key: [UInt8], value: JSONValue)] = []
        if take("}") { return members }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw error("a key in quotes") }
            let key = try string()
            guard take(":") else { throw error("“:”") }
            members.append((key, try value()))
            if take("}") { return members }
            guard take(",") else { throw error("“,” or “}”") }
        }
    }

    private mutating func elements() throws(TokenizerError) -> [JSONValue] {
        try nest()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        if take("]") { return elements }
        while true {
            elements.append(try value())
            if take("]") { return elements }
            guard take(",") else { throw error("“,” or “]”") }
        }
    }

    private mutating func number() throws(TokenizerError) -> [UInt8] {
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
        guard Double(String(decoding: bytes[start..<position], as: UTF8.self)) != nil else { throw error("a number") }
        return [UInt8](bytes[start..<position])
    }

    private mutating func string() throws(TokenizerError) -> [UInt8] {
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
                    throw error("valid UTF-8 in a string before this")
                }
                return text
            case UInt8(ascii: "\\"): try escape(&text)
            default: throw error("no control character in a string")
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
                guard low & 0xFC00 == 0xDC00 else { throw error("the second half of a surrogate pair before this") }
                code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("a whole surrogate pair before this") }
            text += Array(String(Character(scalar)).utf8)
        default:
            position -= 1
            throw error("one of \" \\ / b f n r t u behind a backslash")
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

extension JSONValue {
    /// A value and the way to it, so that what is wrong with it can be said with its place.
    struct Field {
        let value: JSONValue
        let path: String
        let key: String

        func error(_ expected: String) -> TokenizerError {
            let place = key.isEmpty ? "line \(value.line)" : "line \(value.line), key \(key)"
            return TokenizerError(path: path, place: place, expected: expected, found: value.kind)
        }

        func members() throws(TokenizerError) -> [(key: [UInt8], value: Field)] {
            guard case .object(let members) = value.content else { throw error("an object") }
            return members.map { ($0.key, child($0.value, "." + String(decoding: $0.key, as: UTF8.self))) }
        }

        /// The member of this name; null and absent are the same.
        func member(_ name: String) throws(TokenizerError) -> Field? {
            guard case .object(let members) = value.content else { throw error("an object") }
            guard let found = members.first(where: { $0.key == Array(name.utf8) }) else { return nil }
            if case .null = found.value.content { return nil }
            return child(found.value, "." + name)
        }

        func required(_ name: String) throws(TokenizerError) -> Field {
            guard let member = try member(name) else { throw error("an object with “\(name)”") }
            return member
        }

        func elements() throws(TokenizerError) -> [Field] {
            guard case .array(let elements) = value.content else { throw error("an array") }
            return elements.enumerated().map { child($1, "[\($0)]") }
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
            else { throw error("a whole number from \(range.lowerBound) to \(range.upperBound)") }
            return number
        }

        private func child(_ value: JSONValue, _ step: String) -> Field {
            Field(value: value, path: path, key: key.isEmpty ? String(step.drop { $0 == "." }) : key + step)
        }
    }
}
