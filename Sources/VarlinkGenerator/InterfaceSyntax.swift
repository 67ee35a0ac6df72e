/// A parsed interface definition.
public struct InterfaceSyntax: Sendable, Equatable {
    /// The lines of the comment above the `interface` keyword.
    public var documentation: [String]
    /// The full name: `org.example.Calendar`.
    public var name: String
    public var members: [MemberSyntax]
    /// The definition itself, unmodified.
    public var text: String
}

/// A position in an interface definition.
public struct SourceLocation: Sendable, Equatable {
    /// Counted from 1.
    public var line: Int
    /// Counted from 1, in Unicode scalars.
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A type, method or error of an interface.
public struct MemberSyntax: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// `.structure` or `.enumeration`.
        case type(TypeSyntax)
        case method(parameters: [FieldSyntax], reply: [FieldSyntax])
        case error([FieldSyntax])
    }

    public var documentation: [String]
    public var name: String
    public var location: SourceLocation
    public var kind: Kind
}

public struct FieldSyntax: Sendable, Equatable {
    public var documentation: [String]
    public var name: String
    public var location: SourceLocation
    public var type: TypeSyntax
}

public struct EnumerationCaseSyntax: Sendable, Equatable {
    public var documentation: [String]
    public var name: String
    public var location: SourceLocation
}

public indirect enum TypeSyntax: Sendable, Equatable {
    case bool, int, float, string, object
    /// A type that the interface declares.
    case named(String, SourceLocation)
    case structure([FieldSyntax])
    case enumeration([EnumerationCaseSyntax])
    case array(TypeSyntax)
    /// A map from strings.
    case map(TypeSyntax)
    case nullable(TypeSyntax)
}

/// The first error in an interface definition.
public struct InterfaceDefinitionError: Error, Sendable, Equatable, CustomStringConvertible {
    public let location: SourceLocation
    public let message: String

    init(_ message: String, at location: SourceLocation) {
        self.location = location
        self.message = message
    }

    /// `LINE:COLUMN: error: MESSAGE`, as compilers write it after a path.
    public var description: String { "\(location.line):\(location.column): error: \(message)" }
}
