/// Checks that every name of an interface is declared once and can be expressed in Swift.
struct NameResolution {
    private let interface: InterfaceSyntax
    private var members: [String: MemberSyntax] = [:]

    init(_ interface: InterfaceSyntax) throws(InterfaceDefinitionError) {
        self.interface = interface
        for member in interface.members {
            if let first = members[member.name] {
                throw InterfaceDefinitionError(
                    "‘\(member.name)’ is already declared in line \(first.location.line)", at: member.location)
            }
            members[member.name] = member
        }
    }

    func check() throws(InterfaceDefinitionError) {
        let errors = interface.members.filter { member in
            if case .error = member.kind { true } else { false }
        }
        try checkDistinct(errors.map { ($0.name, $0.location) })
        for member in interface.members {
            switch member.kind {
            case .type(let type):
                try check(type)
                try checkSize(of: type, path: [member.name])
            case .method(let parameters, let reply):
                try check(.structure(parameters))
                try check(.structure(reply))
            case .error(let fields):
                try check(.structure(fields))
            }
        }
    }

    private func check(_ type: TypeSyntax) throws(InterfaceDefinitionError) {
        switch type {
        case .bool, .int, .float, .string, .object: break
        case .array(let element), .map(let element), .nullable(let element): try check(element)
        case .named(let name, let location):
            guard let member = members[name] else {
                throw InterfaceDefinitionError("there is no type ‘\(name)’", at: location)
            }
            guard case .type = member.kind else {
                throw InterfaceDefinitionError("‘\(name)’ is not a type", at: location)
            }
        case .structure(let fields):
            try checkDistinct(fields.map { ($0.name, $0.location) })
            for field in fields { try check(field.type) }
        case .enumeration(let cases):
            try checkDistinct(cases.map { ($0.name, $0.location) })
        }
    }

    /// Checks names of fields or cases, which must also differ in Swift.
    private func checkDistinct(_ names: [(name: String, location: SourceLocation)]) throws(InterfaceDefinitionError) {
        var declared: [String: String] = [:]
        for (name, location) in names {
            let swiftName = SwiftNames.member(name)
            if let first = declared[swiftName] {
                throw InterfaceDefinitionError(
                    first == name
                        ? "‘\(name)’ is already declared" : "‘\(first)’ and ‘\(name)’ have the same name in Swift",
                    at: location)
            }
            declared[swiftName] = name
        }
    }

    /// Checks that a type does not contain itself: a Swift structure may only do so in an array or a dictionary.
    private func checkSize(of type: TypeSyntax, path: [String]) throws(InterfaceDefinitionError) {
        switch type {
        case .bool, .int, .float, .string, .object, .enumeration, .array, .map: break
        case .nullable(let element): try checkSize(of: element, path: path)
        case .structure(let fields):
            for field in fields { try checkSize(of: field.type, path: path) }
        case .named(let name, let location):
            if name == path.first {
                throw InterfaceDefinitionError(
                    "‘\(name)’ contains itself; this is possible only in an array or a map", at: location)
            }
            // A cycle that does not include the first type is reported for the types it consists of.
            guard !path.contains(name), case .type(let inner)? = members[name]?.kind else { return }
            try checkSize(of: inner, path: path + [name])
        }
    }
}
