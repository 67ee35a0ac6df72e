import FoundationEssentials

/// A call as it travels, its parameters not yet looked at.
public struct VarlinkCallHeader: Codable, Sendable, Equatable {
    public var method: String
    /// The caller wants no reply, not even an error.
    public var oneway: Bool?
    /// The caller takes any number of replies.
    public var more: Bool?

    public init(method: String, oneway: Bool? = nil, more: Bool? = nil) {
        self.method = method
        self.oneway = oneway
        self.more = more
    }
}

/// Messages as bytes, and back. None of the texts holds a NUL: JSON writes it as an escape.
public enum VarlinkCoding {
    private struct Call<Parameters: Codable>: Codable {
        var method: String
        var oneway: Bool?
        var more: Bool?
        var parameters: Parameters
    }

    private struct Parameters<Value: Decodable>: Decodable {
        var parameters: Value?
    }

    private struct Reply<Parameters: Encodable>: Encodable {
        var error: String?
        var continues: Bool?
        var parameters: Parameters
    }

    /// A reply as it came, its parameters not yet looked at.
    public struct ReplyHeader: Decodable, Sendable {
        public var error: String?
        public var continues: Bool?
    }

    public static func encodeCall<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, oneway: Bool = false, more: Bool = false
    ) throws -> Data {
        try encoder().encode(
            Call(
                method: M.name, oneway: oneway ? true : nil, more: more ? true : nil, parameters: parameters))
    }

    /// - Parameter continues: whether more replies to the same call follow.
    public static func encodeReply(_ parameters: some Encodable, continues: Bool = false) throws -> Data {
        try encoder().encode(Reply(error: nil, continues: continues ? true : nil, parameters: parameters))
    }

    public static func encodeError(name: String, _ parameters: some Encodable) throws -> Data {
        try encoder().encode(Reply(error: name, continues: nil, parameters: parameters))
    }

    public static func decodeCall(_ message: [UInt8]) throws -> VarlinkCallHeader {
        try JSONDecoder().decode(VarlinkCallHeader.self, from: Data(message))
    }

    public static func decodeReply(_ message: [UInt8]) throws -> ReplyHeader {
        try JSONDecoder().decode(ReplyHeader.self, from: Data(message))
    }

    /// The `parameters` of a call, a reply or an error; absent or null ones are `{}`.
    public static func decodeParameters<Value: Decodable>(_ type: Value.Type, of message: [UInt8]) throws -> Value {
        if let value = try JSONDecoder().decode(Parameters<Value>.self, from: Data(message)).parameters {
            return value
        }
        return try decodeParameters(type, of: Array(#"{"parameters":{}}"#.utf8))
    }

    /// The error that a reply names, with its parameters.
    /// - Parameter types: those an error is looked for among; those of `org.varlink.service` are always
    ///   `VarlinkServiceError`, those of `VarlinkLimitsInterface` its own, any other is a `VarlinkUnknownError`.
    public static func decodeError(
        name: String, of message: [UInt8], as types: [any VarlinkErrorReply.Type]
    ) throws -> any Error {
        if let type = (types + VarlinkLimitsInterface.errors).first(where: { $0.name == name }) {
            return try decodeParameters(type, of: message)
        }
        let parameters = try decodeParameters(JSONValue.self, of: message)
        return VarlinkServiceError(name: name, parameters: parameters)
            ?? VarlinkUnknownError(name: name, parameters: parameters)
    }

    static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
