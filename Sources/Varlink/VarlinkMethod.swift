/// A method of an interface: its full name, its parameters and its reply.
public protocol VarlinkMethod: SendableMetatype {
    /// The full name, such as `org.varlink.service.GetInfo`.
    static var name: String { get }
    /// Must encode itself as a JSON object, even if it has no members.
    associatedtype Parameters: Codable & Sendable
    /// Must encode itself as a JSON object, even if it has no members.
    associatedtype Reply: Codable & Sendable
}

/// An error of an interface. Its stored properties are the error's parameters.
public protocol VarlinkErrorReply: Error, Codable, Sendable {
    /// The full name, such as `org.varlink.service.MethodNotFound`.
    static var name: String { get }
}

/// A structure without fields: `{}` in JSON.
public struct VarlinkNothing: Codable, Sendable, Equatable {
    public init() {}
}
