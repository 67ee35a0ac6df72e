/// Converts names on the wire to Swift names.
enum SwiftNames {
    /// Returns the name of the namespace for an interface: `CalendarInterface` for `org.example.calendar`.
    static func interface(_ name: String) -> String {
        let last = name.split(separator: ".").last ?? ""
        return last.split(separator: "-").map { capitalized($0) }.joined() + "Interface"
    }

    /// Returns the name of a declared type, method or error, followed by an underscore if Swift or the generated code
    /// uses the name for something else.
    static func type(_ name: String) -> String { reservedTypes.contains(name) ? name + "_" : name }

    /// Returns the name of the type that a field declares in place: `FinishReason` for `finish_reason`.
    static func nestedType(_ field: String) -> String { type(capitalized(camelCase(field)[...])) }

    /// Returns the name of a field, of a value of an enumeration or of the case for an error: `topK` for `top_k`.
    static func member(_ name: String) -> String {
        let name = camelCase(name)
        return reservedMembers.contains(name) ? name + "_" : name
    }

    /// Encloses a keyword in backticks.
    static func escaped(_ name: String) -> String { keywords.contains(name) ? "`\(name)`" : name }

    private static func camelCase(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return parts.dropFirst().reduce(uncapitalized(parts[0])) { $0 + capitalized($1) }
    }

    /// Returns the name with its first word in lowercase: `cpuWeight` for `CPUWeight`.
    private static func uncapitalized(_ name: Substring) -> String {
        let uppercase = name.prefix { $0.isUppercase }
        let rest = name.dropFirst(uppercase.count)
        guard uppercase.count > 1, rest.first?.isLowercase == true else { return uppercase.lowercased() + rest }
        return uppercase.dropLast().lowercased() + uppercase.suffix(1) + rest
    }

    private static func capitalized(_ name: Substring) -> String { name.prefix(1).uppercased() + name.dropFirst() }

    private static let reservedTypes: Set<String> = [
        // Not valid as the name of a nested type.
        "Any", "Protocol", "Self", "Type",
        // Used by the generated code.
        "Bool", "CaseIterable", "Codable", "CodingKey", "CodingKeys", "Double", "Equatable", "ErrorReply", "Int",
        "JSONValue", "Sendable", "String", "VarlinkErrorReply", "VarlinkMethod", "VarlinkNothing",
    ]

    /// Names of members that cannot be declared or that the compiler declares.
    private static let reservedMembers: Set<String> = ["allCases", "hashValue", "init", "rawValue", "self"]

    private static let keywords: Set<String> = [
        "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit",
        "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if",
        "import", "in", "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private", "protocol",
        "public", "repeat", "rethrows", "return", "static", "struct", "subscript", "super", "switch", "throw",
        "throws", "true", "try", "typealias", "var", "where", "while",
    ]
}
