import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Varlink

extension Response {
    /// Creates a JSON response.
    static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        // The encoded values contain no NaN or infinity, which JSON cannot represent.
        let body = (try? JSONBody.encode(value)) ?? ByteBuffer(string: "null")
        return Response(status: status, headers: headers, body: .init(byteBuffer: body))
    }
}

enum JSONBody {
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(bytes: try encoder.encode(value))
    }
}

extension Request {
    /// Maximum size of a JSON body in bytes.
    static let jsonLimit = 1 << 20
    /// Maximum nesting depth; no accepted body needs more than three.
    static let jsonDepthLimit = 16
    /// How long a client may take to send a body.
    private static let jsonDeadline = Duration.seconds(30)

    /// Decodes the body as the parameters of a method. A field that the method does not know is refused, as on the socket: a
    /// misspelled one would otherwise have no effect.
    mutating func parameters<M: VarlinkMethod>(of method: M.Type) async throws -> M.Parameters {
        try await readBody(as: M.Parameters.self) { message in
            do throws(VarlinkServiceError) {
                return try VarlinkCoding.decodeCallParameters(method, of: message)
            } catch .invalidParameter(let field) {
                // Throws unless the field is unknown.
                _ = try VarlinkCoding.decodeParameters(M.Parameters.self, of: message)
                let field = field.clipped(to: APIError.paramLimit)
                throw APIError(
                    .badRequest, "‘\(field)’ is not a field of this request", param: field, code: "unknown_field")
            }
        }
    }

    /// Decodes the body. Unknown fields are ignored.
    mutating func json<Value: Decodable & Sendable>(_ type: Value.Type) async throws -> Value {
        try await readBody(as: type) { try VarlinkCoding.decodeParameters(type, of: $0) }
    }

    /// Reads and decodes the body. It remains available as `body`, so that the caller can wait for the end of the request.
    /// - Parameter decode: decodes the message whose parameters are the body
    private mutating func readBody<Value: Decodable & Sendable>(
        as type: Value.Type, _ decode: ([UInt8]) throws -> Value
    ) async throws -> Value {
        // A form on another site can send three types of body; JSON is not one of them.
        guard let type = headers[.contentType]?.split(separator: ";").first?.lowercased(), type == "application/json"
        else {
            throw APIError(.unsupportedMediaType, "the content type must be application/json")
        }
        let stream = body
        let held = BodyBytes.shared.begin()
        let buffer = try await withDeadline(Self.jsonDeadline) { try await Self.collect(stream, held) }
        defer { withExtendedLifetime(held) {} }
        body = .init(buffer: buffer)
        return try Self.decode(Value.self, try Self.utf8(Array(buffer.readableBytesView)), decode)
    }

    /// The body as the parameters of a call.
    private static func message(_ body: [UInt8]) -> [UInt8] {
        Array(#"{"parameters":"#.utf8) + body + [UInt8(ascii: "}")]
    }

    private static func collect(_ stream: RequestBody, _ held: BodyBytes.Body) async throws -> ByteBuffer {
        var buffer = ByteBuffer()
        for try await var piece in stream {
            let size = buffer.readableBytes + piece.readableBytes
            guard size <= jsonLimit else { throw NIOTooManyBytesError(maxBytes: jsonLimit) }
            guard held.grow(to: size) else {
                throw APIError(
                    .serviceUnavailable, .unavailable, "too many large requests are being received; try again later",
                    code: "overloaded", retryAfterMs: 1000)
            }
            buffer.writeBuffer(&piece)
        }
        return buffer
    }

    /// Returns the body without a byte-order mark, which some editors and shells write.
    ///
    /// JSONDecoder would also accept UTF-16 and UTF-32, which the checks of a body do not understand.
    private static func utf8(_ bytes: [UInt8]) throws -> [UInt8] {
        let isUTF16 =
            bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) || bytes.prefix(4).contains(0)
        guard !isUTF16 else {
            throw APIError(
                .badRequest, "the body is UTF-16 or UTF-32; send it as UTF-8, the encoding of JSON",
                code: "invalid_json")
        }
        guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else {
            throw APIError(.badRequest, "the body is not UTF-8", code: "invalid_json")
        }
        return bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, _ bytes: [UInt8], _ decode: ([UInt8]) throws -> Value
    ) throws -> Value {
        guard bytes.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{") else {
            throw APIError(.badRequest, "the body is not a JSON object", code: "invalid_json")
        }
        let shape = JSONShape(bytes)
        guard shape.depth <= jsonDepthLimit else {
            throw APIError(
                .badRequest, "the body is nested more than \(jsonDepthLimit) levels deep", code: "invalid_json")
        }
        guard (try? JSONDecoder().decode(ObjectProbe.self, from: Data(bytes)))?.isObject == true else {
            throw APIError(.badRequest, "the body is not a JSON object", code: "invalid_json")
        }
        // If a value has the wrong type, the field is named below.
        if let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)), value.memberCount != shape.members
        {
            throw APIError(.badRequest, "the body has two fields of the same name", code: "repeated_field")
        }
        // Wrapped as the parameters of a call, to find a wrong field in the same way.
        let message = message(bytes)
        do {
            return try decode(message)
        } catch let error as APIError {
            throw error
        } catch {
            let field = VarlinkCoding.invalidParameter(error, decoding: Value.self, of: message)
                .clipped(to: APIError.paramLimit)
            throw APIError(
                .badRequest, "‘\(field)’ is missing or of the wrong type", param: field, code: "invalid_type")
        }
    }
}

/// Checks whether a text is a JSON object with any members.
private struct ObjectProbe: Decodable {
    let isObject: Bool
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        isObject = (try? decoder.container(keyedBy: Key.self)) != nil
    }
}

extension JSONValue {
    /// Returns the number of members of this object and all nested ones.
    fileprivate var memberCount: Int {
        switch self {
        case .array(let values): values.reduce(0) { $0 + $1.memberCount }
        case .object(let members): members.reduce(members.count) { $0 + $1.value.memberCount }
        default: 0
        }
    }
}

/// Runs `body` with a timeout.
func withDeadline<Result: Sendable>(
    _ deadline: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: deadline)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else {
            throw APIError(
                .requestTimeout, "the request was not received within \(deadline.components.seconds) s", code: "timeout"
            )
        }
        return result
    }
}
