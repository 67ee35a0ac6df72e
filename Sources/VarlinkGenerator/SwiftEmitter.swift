/// Emits the Swift source for an interface: a namespace with its description, types, methods and errors.
///
/// The source imports `Varlink`, which declares the protocols that the types conform to.
public struct SwiftEmitter {
    private let interface: InterfaceSyntax
    private let namespace: String
    private let writer = SwiftWriter()

    /// - Parameter fileName: the name of the definition, for the header of the source.
    public static func source(for interface: InterfaceSyntax, fileName: String) -> String {
        let emitter = SwiftEmitter(interface)
        emitter.emit(fileName)
        return emitter.writer.text
    }

    private init(_ interface: InterfaceSyntax) {
        self.interface = interface
        namespace = SwiftNames.interface(interface.name)
    }

    private func emit(_ fileName: String) {
        writer.line("// Generated from \(fileName) by varlink-swift-generator. Do not edit.")
        writer.line("")
        writer.line("import Varlink")
        writer.line("")
        writer.documentation(interface.documentation)
        writer.block("public enum \(namespace)", emitDescription)
        writer.line("")
        writer.block("extension \(namespace)") {
            for member in interface.members { emit(member) }
            emitErrorReply()
        }
    }

    private func emitDescription() {
        var methods: [String] = []
        var errors: [String] = []
        for member in interface.members {
            switch member.kind {
            case .type: break
            case .method: methods.append("\(SwiftNames.type(member.name)).self")
            case .error: errors.append("\(SwiftNames.type(member.name)).self")
            }
        }
        writer.line("public static let name = \"\(interface.name)\"")
        writer.line("")
        writer.line("/// The methods in the order of the definition.")
        writer.wrapped("public static let methods: [any VarlinkMethod.Type] = [", methods, "]")
        writer.line("")
        writer.line("/// The errors in the order of the definition.")
        writer.wrapped("public static let errors: [any VarlinkErrorReply.Type] = [", errors, "]")
        writer.line("")
        writer.line("/// The text of the definition.")
        writer.constant("public static let description", text: interface.text)
    }

    private func emit(_ member: MemberSyntax) {
        let name = SwiftNames.type(member.name)
        writer.blankLine()
        writer.documentation(member.documentation)
        switch member.kind {
        case .type(.enumeration(let cases)): emitEnumeration(name, cases)
        case .type(.structure(let fields)): emitStructure(name, fields, hiding: [])
        case .type: preconditionFailure("a declared type is a structure or an enumeration")
        case .method(let parameters, let reply): emitMethod(name, member.name, parameters, reply)
        case .error(let fields):
            writer.block("public struct \(name): VarlinkErrorReply, Equatable") {
                writer.line("public static let name = \"\(interface.name).\(member.name)\"")
                writer.blankLine()
                emitContents(of: fields, hiding: [])
            }
        }
    }

    /// Writes the enumeration of the errors, so that the compiler checks that a switch handles each of them.
    private func emitErrorReply() {
        let errors = interface.members.compactMap { member in
            guard case .error = member.kind else { return nil as (name: String, type: String)? }
            return (SwiftNames.escaped(SwiftNames.member(member.name)), SwiftNames.type(member.name))
        }
        guard !errors.isEmpty else { return }
        writer.blankLine()
        writer.documentation(["The errors of the interface, for switches that handle each of them."])
        writer.block("public enum ErrorReply: Sendable, Equatable") {
            for error in errors { writer.line("case \(error.name)(\(error.type))") }
            writer.blankLine()
            writer.documentation(["Returns nil for an error of another interface."])
            writer.block("public init?(_ error: any VarlinkErrorReply)") {
                writer.line("switch error {")
                for error in errors {
                    writer.line("case let error as \(error.type): self = .\(error.name)(error)")
                }
                writer.line("default: return nil")
                writer.line("}")
            }
        }
    }

    private func emitMethod(_ name: String, _ wireName: String, _ parameters: [FieldSyntax], _ reply: [FieldSyntax]) {
        writer.block("public enum \(name): VarlinkMethod") {
            writer.line("public static let name = \"\(interface.name).\(wireName)\"")
            let parts = [("Parameters", parameters), ("Reply", reply)]
            for (part, fields) in parts where fields.isEmpty {
                writer.line("public typealias \(part) = VarlinkNothing")
            }
            for (part, fields) in parts where !fields.isEmpty {
                writer.blankLine()
                emitStructure(part, fields, hiding: ["Parameters", "Reply"])
            }
        }
    }

    private func emitEnumeration(_ name: String, _ cases: [EnumerationCaseSyntax]) {
        writer.block("public enum \(name): String, Codable, Sendable, CaseIterable") {
            emitCases(cases.map { ($0.documentation, $0.name) })
        }
    }

    /// Writes cases with their names on the wire as raw values. Undocumented cases whose name is the same in Swift share
    /// a line.
    private func emitCases(_ cases: [(documentation: [String], name: String)]) {
        var row: [String] = []
        func emitRow() {
            if !row.isEmpty { writer.wrapped("case ", row, "") }
            row = []
        }
        for (documentation, name) in cases {
            let swiftName = SwiftNames.member(name)
            if documentation.isEmpty && swiftName == name {
                row.append(SwiftNames.escaped(swiftName))
                continue
            }
            emitRow()
            writer.documentation(documentation)
            let value = swiftName == name ? "" : " = \"\(name)\""
            writer.line("case \(SwiftNames.escaped(swiftName))\(value)")
        }
        emitRow()
    }

    /// - Parameter hiding: names of types that enclosing types declare, and that hide types of the interface.
    private func emitStructure(_ name: String, _ fields: [FieldSyntax], hiding: Set<String>) {
        writer.block("public struct \(name): Codable, Sendable, Equatable") {
            emitContents(of: fields, hiding: hiding)
        }
    }

    private func emitContents(of fields: [FieldSyntax], hiding: Set<String>) {
        var hiding = hiding
        for field in fields where field.type.declaration != nil { hiding.insert(SwiftNames.nestedType(field.name)) }
        for field in fields {
            guard let declaration = field.type.declaration else { continue }
            writer.blankLine()
            let name = SwiftNames.nestedType(field.name)
            switch declaration {
            case .enumeration(let cases): emitEnumeration(name, cases)
            case .structure(let fields): emitStructure(name, fields, hiding: hiding)
            default: preconditionFailure("a field declares a structure or an enumeration")
            }
        }
        writer.blankLine()
        for field in fields {
            writer.documentation(field.documentation)
            writer.line("public var \(SwiftNames.escaped(SwiftNames.member(field.name))): \(type(of: field, hiding))")
        }
        emitInitializer(fields, hiding)
        if fields.contains(where: { SwiftNames.member($0.name) != $0.name }) {
            writer.blankLine()
            writer.block("private enum CodingKeys: String, CodingKey") { emitCases(fields.map { ([], $0.name) }) }
        }
    }

    private func emitInitializer(_ fields: [FieldSyntax], _ hiding: Set<String>) {
        writer.blankLine()
        guard !fields.isEmpty else { return writer.line("public init() {}") }
        let parameters = fields.map { field in
            let name = SwiftNames.escaped(SwiftNames.member(field.name))
            if case .nullable = field.type { return "\(name): \(type(of: field, hiding)) = nil" }
            return "\(name): \(type(of: field, hiding))"
        }
        writer.block("public init(", list: parameters, ")") {
            for field in fields {
                let name = SwiftNames.member(field.name)
                writer.line("self.\(name) = \(SwiftNames.escaped(name))")
            }
        }
    }

    private func type(of field: FieldSyntax, _ hiding: Set<String>) -> String {
        name(of: field.type, nested: SwiftNames.nestedType(field.name), hiding)
    }

    private func name(of type: TypeSyntax, nested: String, _ hiding: Set<String>) -> String {
        switch type {
        case .bool: return "Bool"
        case .int: return "Int"
        case .float: return "Double"
        case .string: return "String"
        case .object: return "JSONValue"
        case .named(let name, _):
            let name = SwiftNames.type(name)
            return hiding.contains(name) ? "\(namespace).\(name)" : name
        case .structure(let fields): return fields.isEmpty ? "VarlinkNothing" : nested
        case .enumeration: return nested
        case .array(let element): return "[\(name(of: element, nested: nested, hiding))]"
        case .map(let element): return "[String: \(name(of: element, nested: nested, hiding))]"
        case .nullable(let element): return "\(name(of: element, nested: nested, hiding))?"
        }
    }
}

extension TypeSyntax {
    /// The structure or enumeration that the type declares in place, on its own or as an element.
    fileprivate var declaration: TypeSyntax? {
        switch self {
        case .structure(let fields): fields.isEmpty ? nil : self
        case .enumeration: self
        case .array(let element), .map(let element), .nullable(let element): element.declaration
        case .bool, .int, .float, .string, .object, .named: nil
        }
    }
}
