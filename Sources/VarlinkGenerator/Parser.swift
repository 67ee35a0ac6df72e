/// Parses interface definitions according to the grammar in https://varlink.org/Interface-Definition.
public struct Parser {
    private let tokens: [Token]
    private var position = 0

    /// - Throws: the first syntax error, or the first name that is declared twice, undeclared or not representable.
    public static func parse(_ text: String) throws(InterfaceDefinitionError) -> InterfaceSyntax {
        var parser = Parser(tokens: try Tokenizer.tokens(of: text))
        let interface = try parser.interface(text)
        try NameResolution(interface).check()
        return interface
    }

    private init(tokens: [Token]) {
        self.tokens = tokens
    }

    private var token: Token { tokens[position] }

    private func unexpected(_ expected: String) -> InterfaceDefinitionError {
        InterfaceDefinitionError("expected \(expected), found \(token.kind)", at: token.location)
    }

    private mutating func take(_ symbol: String) -> Bool {
        guard token.kind == .symbol(symbol) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws(InterfaceDefinitionError) {
        guard take(symbol) else { throw unexpected("‘\(symbol)’") }
    }

    /// Takes a word that `isValid` accepts.
    private mutating func word(
        _ expected: String, where isValid: (String) -> Bool
    ) throws(InterfaceDefinitionError) -> String {
        guard case .word(let word) = token.kind, isValid(word) else { throw unexpected(expected) }
        position += 1
        return word
    }

    private mutating func interface(_ text: String) throws(InterfaceDefinitionError) -> InterfaceSyntax {
        let documentation = token.documentation
        _ = try word("‘interface’") { $0 == "interface" }
        let name = try word("an interface name such as ‘org.example.Calendar’", where: Grammar.isInterfaceName)
        var members: [MemberSyntax] = []
        while token.kind != .end { members.append(try member()) }
        guard !members.isEmpty else { throw unexpected("‘type’, ‘method’ or ‘error’") }
        return InterfaceSyntax(documentation: documentation, name: name, members: members, text: text)
    }

    private mutating func member() throws(InterfaceDefinitionError) -> MemberSyntax {
        let documentation = token.documentation
        let keyword = try word("‘type’, ‘method’ or ‘error’") { ["type", "method", "error"].contains($0) }
        let location = token.location
        let name = try word("a name that starts with an uppercase letter", where: Grammar.isMemberName)
        let kind: MemberSyntax.Kind
        switch keyword {
        case "type":
            kind = .type(try structureOrEnumeration())
        case "method":
            let parameters = try structure()
            try expect("->")
            kind = .method(parameters: parameters, reply: try structure())
        default:
            kind = .error(try structure())
        }
        return MemberSyntax(documentation: documentation, name: name, location: location, kind: kind)
    }

    private mutating func structure() throws(InterfaceDefinitionError) -> [FieldSyntax] {
        let start = token.location
        guard case .structure(let fields) = try structureOrEnumeration() else {
            throw InterfaceDefinitionError("expected fields with types, found an enumeration", at: start)
        }
        return fields
    }

    private mutating func structureOrEnumeration() throws(InterfaceDefinitionError) -> TypeSyntax {
        try expect("(")
        if take(")") { return .structure([]) }
        // The token after the first name distinguishes a structure from an enumeration.
        if case .word = token.kind, tokens[position + 1].kind != .symbol(":") {
            return .enumeration(
                try list { parser throws(InterfaceDefinitionError) in
                    let (documentation, location) = (parser.token.documentation, parser.token.location)
                    let name = try parser.fieldName("the name of a value")
                    return EnumerationCaseSyntax(documentation: documentation, name: name, location: location)
                })
        }
        return .structure(
            try list { parser throws(InterfaceDefinitionError) in
                let (documentation, location) = (parser.token.documentation, parser.token.location)
                let name = try parser.fieldName("the name of a field")
                try parser.expect(":")
                let type = try parser.type()
                return FieldSyntax(documentation: documentation, name: name, location: location, type: type)
            })
    }

    private mutating func fieldName(_ expected: String) throws(InterfaceDefinitionError) -> String {
        try word(expected, where: Grammar.isFieldName)
    }

    /// Parses elements separated by commas, up to the closing parenthesis.
    private mutating func list<Element>(
        _ element: (inout Parser) throws(InterfaceDefinitionError) -> Element
    ) throws(InterfaceDefinitionError) -> [Element] {
        var elements: [Element] = []
        repeat { elements.append(try element(&self)) } while take(",")
        guard take(")") else { throw unexpected("‘,’ or ‘)’") }
        return elements
    }

    private mutating func type() throws(InterfaceDefinitionError) -> TypeSyntax {
        if take("?") {
            guard token.kind != .symbol("?") else { throw unexpected("a type that is not nullable") }
            return .nullable(try type())
        }
        if take("[]") { return .array(try type()) }
        if take("[string]") { return .map(try type()) }
        if token.kind == .symbol("(") { return try structureOrEnumeration() }
        let location = token.location
        let name = try word("a type") { Grammar.elementTypes[$0] != nil || Grammar.isMemberName($0) }
        return Grammar.elementTypes[name] ?? .named(name, location)
    }
}

/// The terminal rules of the grammar.
enum Grammar {
    static let elementTypes: [String: TypeSyntax] = [
        "bool": .bool, "int": .int, "float": .float, "string": .string, "object": .object,
    ]

    /// `[a-z]([-]*[a-z0-9])*(\.[a-z0-9]([-]*[a-z0-9])*)+`, where uppercase letters are accepted as well, because names
    /// of the form `org.example.Calendar` are in common use.
    static func isInterfaceName(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 1, name.utf8.first.map({ isLetter($0) }) == true else { return false }
        return parts.allSatisfy { part in
            guard let first = part.utf8.first, let last = part.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && part.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// `[A-Z][A-Za-z0-9]*`
    static func isMemberName(_ name: String) -> Bool {
        guard let first = name.utf8.first, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) else { return false }
        return name.utf8.allSatisfy(isAlphanumeric)
    }

    /// `[A-Za-z](_?[A-Za-z0-9])*`
    static func isFieldName(_ name: String) -> Bool {
        guard let first = name.utf8.first, isLetter(first) else { return false }
        return name.split(separator: "_", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && part.utf8.allSatisfy(isAlphanumeric)
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
