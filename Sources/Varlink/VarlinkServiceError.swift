/// The errors every Varlink service can give, those of `org.varlink.service`.
public enum VarlinkServiceError: Error, Sendable, Equatable {
    case interfaceNotFound(interface: String)
    case methodNotFound(method: String)
    /// The interface has this method, the service does not offer it.
    case methodNotImplemented(method: String)
    /// The name of the parameter that is missing, of the wrong type or has a value that is not allowed.
    case invalidParameter(parameter: String)
    /// `needs` says who may: a parameter that the specification does not know, and clients may leave unread.
    case permissionDenied(needs: String = "")
    /// The method gives more than one reply and must be called with `more`.
    case expectedMore
}

extension VarlinkServiceError {
    private static let prefix = "org.varlink.service."

    /// The error's full name.
    public var name: String {
        switch self {
        case .interfaceNotFound: "\(Self.prefix)InterfaceNotFound"
        case .methodNotFound: "\(Self.prefix)MethodNotFound"
        case .methodNotImplemented: "\(Self.prefix)MethodNotImplemented"
        case .invalidParameter: "\(Self.prefix)InvalidParameter"
        case .permissionDenied: "\(Self.prefix)PermissionDenied"
        case .expectedMore: "\(Self.prefix)ExpectedMore"
        }
    }

    /// The error's parameters, under the names of the specification.
    public var parameters: [String: String] {
        switch self {
        case .interfaceNotFound(let interface): ["interface": interface]
        case .methodNotFound(let method), .methodNotImplemented(let method): ["method": method]
        case .invalidParameter(let parameter): ["parameter": parameter]
        case .permissionDenied(let needs): needs.isEmpty ? [:] : ["needs": needs]
        case .expectedMore: [:]
        }
    }

    /// Nil where `name` is no error of `org.varlink.service`. A parameter that is missing becomes an empty string.
    public init?(name: String, parameters: JSONValue?) {
        func parameter(_ key: String) -> String {
            guard case .string(let text) = parameters?[key] else { return "" }
            return text
        }
        switch name {
        case "\(Self.prefix)InterfaceNotFound": self = .interfaceNotFound(interface: parameter("interface"))
        case "\(Self.prefix)MethodNotFound": self = .methodNotFound(method: parameter("method"))
        case "\(Self.prefix)MethodNotImplemented": self = .methodNotImplemented(method: parameter("method"))
        case "\(Self.prefix)InvalidParameter": self = .invalidParameter(parameter: parameter("parameter"))
        case "\(Self.prefix)PermissionDenied": self = .permissionDenied(needs: parameter("needs"))
        case "\(Self.prefix)ExpectedMore": self = .expectedMore
        default: return nil
        }
    }
}

extension VarlinkServiceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .interfaceNotFound(let interface): "the service has no interface ‘\(interface)’"
        case .methodNotFound(let method): "the service has no method ‘\(method)’"
        case .methodNotImplemented(let method): "the service does not offer the method ‘\(method)’"
        case .invalidParameter(let parameter):
            "the parameter ‘\(parameter)’ is missing, of the wrong type or not allowed"
        case .permissionDenied(let needs): needs.isEmpty ? "permission denied" : "only \(needs) may do this"
        case .expectedMore: "the method must be called with ‘more’"
        }
    }
}
