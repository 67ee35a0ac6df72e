/// A method of an interface: its full name and the two types that travel.
public protocol VarlinkMethod: SendableMetatype {
    /// With the interface's, as it is called: `org.varlink.service.GetInfo`.
    static var name: String { get }
    /// Encoded as a JSON object, also where it has no member.
    associatedtype Parameters: Codable & Sendable
    /// Encoded as a JSON object, also where it has no member.
    associatedtype Reply: Codable & Sendable
}

/// An error of an interface. Its stored properties are the error's parameters.
public protocol VarlinkErrorReply: Error, Codable, Sendable {
    /// With the interface's: `org.varlink.service.MethodNotFound`.
    static var name: String { get }
}

/// What neither takes nor gives anything; `{}` in JSON.
public struct VarlinkNothing: Codable, Sendable, Equatable {
    public init() {}
}
