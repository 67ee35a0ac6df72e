/// A `.varlink` file read into fields, each with its type as the file writes it, without spaces: `?[]string`.
struct InterfaceText: Equatable {
    struct Field: Equatable, CustomStringConvertible {
        var name: String
        var type: String
        var description: String { "\(name): \(type)" }
    }

    var name = ""
    var types: [String: [Field]] = [:]
    var methods: [String: (parameters: [Field], reply: [Field])] = [:]
    var errors: [String: [Field]] = [:]

    struct SyntaxError: Error {
        let expected: String
        let rest: String
    }

    init(_ text: String) throws {
        var reader = Reader(text)
        try reader.expect("interface")
        name = reader.word()
        while !reader.isAtEnd {
            switch reader.word() {
            case "type": types[reader.word()] = try reader.fields()
            case "error": errors[reader.word()] = try reader.fields()
            case "method":
                let name = reader.word()
                let parameters = try reader.fields()
                try reader.expect("->")
                methods[name] = (parameters, try reader.fields())
            case let word: throw SyntaxError(expected: "type, method or error", rest: word)
            }
        }
    }

    static func == (a: InterfaceText, b: InterfaceText) -> Bool {
        a.name == b.name && a.types == b.types && a.errors == b.errors
            && a.methods.mapValues(\.parameters) == b.methods.mapValues(\.parameters)
            && a.methods.mapValues(\.reply) == b.methods.mapValues(\.reply)
    }

    private struct Reader {
        private var rest: Substring

        init(_ text: String) {
            rest = text.split(separator: "\n").map { $0.prefix { $0 != "#" } }.joined(separator: "\n")[...]
            skipSpace()
        }

        var isAtEnd: Bool { rest.isEmpty }

        private mutating func skipSpace() {
            rest = rest.drop { $0.isWhitespace }
        }

        mutating func take(_ token: String) -> Bool {
            guard rest.hasPrefix(token) else { return false }
            rest = rest.dropFirst(token.count)
            skipSpace()
            return true
        }

        mutating func expect(_ token: String) throws {
            guard take(token) else { throw SyntaxError(expected: token, rest: String(rest.prefix(40))) }
        }

        mutating func word() -> String {
            let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
            rest = rest.dropFirst(word.count)
            skipSpace()
            return String(word)
        }

        mutating func fields() throws -> [Field] {
            try expect("(")
            var fields: [Field] = []
            while !take(")") {
                let name = word()
                try expect(":")
                fields.append(Field(name: name, type: try type()))
                if !take(",") {
                    try expect(")")
                    break
                }
            }
            return fields
        }

        private mutating func type() throws -> String {
            if take("?") { return "?" + (try type()) }
            if take("[]") { return "[]" + (try type()) }
            guard take("(") else { return word() }
            var cases = [word()]
            while take(",") { cases.append(word()) }
            try expect(")")
            return "(" + cases.joined(separator: ",") + ")"
        }
    }
}
