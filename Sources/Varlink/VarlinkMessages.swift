import FoundationEssentials

/// A call without its parameters.
public struct VarlinkCallHeader: Codable, Sendable, Equatable {
    public var method: String
    /// The caller expects no reply, not even an error.
    public var oneway: Bool?
    /// The caller accepts any number of replies.
    public var more: Bool?

    public init(method: String, oneway: Bool? = nil, more: Bool? = nil) {
        self.method = method
        self.oneway = oneway
        self.more = more
    }
}

/// Encodes and decodes messages. The texts contain no NUL, which JSON escapes.
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

    /// A reply without its parameters.
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

    /// Encodes a reply.
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

    /// Decodes the `parameters` of a call, a reply or an error. Absent or null parameters are decoded as `{}`.
    public static func decodeParameters<Value: Decodable>(_ type: Value.Type, of message: [UInt8]) throws -> Value {
        if let value = try JSONDecoder().decode(Parameters<Value>.self, from: Data(message)).parameters {
            return value
        }
        return try decodeParameters(type, of: Array(#"{"parameters":{}}"#.utf8))
    }

    /// Decodes an error reply.
    /// - Parameter types: the known types of errors. Errors of `org.varlink.service` are decoded as `VarlinkServiceError`,
    ///   those of a `Limits` interface as the types of `VarlinkLimitsInterface`, and all others as `VarlinkUnknownError`.
    public static func decodeError(
        name: String, of message: [UInt8], as types: [any VarlinkErrorReply.Type]
    ) throws -> any Error {
        if let type = types.first(where: { $0.name == name }) { return try decodeParameters(type, of: message) }
        if let type = VarlinkLimitsInterface.error(named: name) { return try decodeParameters(type, of: message) }
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
