import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Varlink

extension Response {
    /// A JSON answer.
    static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        // What is encoded here holds no number that JSON has no word for.
        let body = (try? JSONText.encode(value)) ?? ByteBuffer(string: "null")
        return Response(status: status, headers: headers, body: .init(byteBuffer: body))
    }
}

enum JSONText {
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(bytes: try encoder.encode(value))
    }
}

extension Request {
    /// Bytes a JSON body may have.
    static let jsonLimit = 1 << 20
    /// How deep its arrays and objects may lie in each other; none that is taken needs more than three.
    static let jsonDepthLimit = 16
    /// How long a client may take to send one.
    private static let jsonDeadline = Duration.seconds(30)

    /// The body as JSON of this type. What was read stays with the request, so that its end can still be waited for.
    mutating func json<Value: Decodable & Sendable>(_ type: Value.Type) async throws -> Value {
        // A form on somebody else's page can send three types of body, and JSON is none of them.
        guard let type = headers[.contentType]?.split(separator: ";").first?.lowercased(), type == "application/json"
        else {
            throw APIError(.unsupportedMediaType, "the body has to be of the type application/json")
        }
        let stream = body
        let held = BodyBytes.shared.begin()
        let buffer = try await withDeadline(Self.jsonDeadline) { try await Self.collect(stream, held) }
        defer { withExtendedLifetime(held) {} }
        body = .init(buffer: buffer)
        return try Self.decode(Value.self, Array(buffer.readableBytesView))
    }

    private static func collect(_ stream: RequestBody, _ held: BodyBytes.Body) async throws -> ByteBuffer {
        var buffer = ByteBuffer()
        for try await var piece in stream {
            let size = buffer.readableBytes + piece.readableBytes
            guard size <= jsonLimit else { throw NIOTooManyBytesError(maxBytes: jsonLimit) }
            guard held.grow(to: size) else {
                throw APIError(
                    .serviceUnavailable, .unavailable, "too many large requests are on their way; try again later",
                    code: "overloaded", retryAfterMs: 1000)
            }
            buffer.writeBuffer(&piece)
        }
        return buffer
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        // The decoder would also take UTF-16, and make something else of it than its bytes.
        guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else {
            throw APIError(.badRequest, "the body is not UTF-8", code: "invalid_json")
        }
        guard bytes.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{") else {
            throw APIError(.badRequest, "the body is not a JSON object", code: "invalid_json")
        }
        let shape = JSONShape(bytes)
        guard shape.depth <= jsonDepthLimit else {
            throw APIError(
                .badRequest, "the body has arrays and objects more than \(jsonDepthLimit) deep", code: "invalid_json")
        }
        guard (try? JSONDecoder().decode(ObjectProbe.self, from: Data(bytes)))?.isObject == true else {
            throw APIError(.badRequest, "the body is not a JSON object", code: "invalid_json")
        }
        // Where a value fits no type at all, the field is named below.
        if let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)), value.memberCount != shape.members
        {
            throw APIError(.badRequest, "the body has two fields of the same name", code: "repeated_field")
        }
        // As the parameters of a call, so that a wrong field is found the same way.
        let message = Array(#"{"parameters":"#.utf8) + bytes + [UInt8(ascii: "}")]
        do {
            return try VarlinkCoding.decodeParameters(Value.self, of: message)
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

/// Whether a text is a JSON object, whatever its members are.
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
    /// Members of this object and of those in it.
    fileprivate var memberCount: Int {
        switch self {
        case .array(let values): values.reduce(0) { $0 + $1.memberCount }
        case .object(let members): members.reduce(members.count) { $0 + $1.value.memberCount }
        default: 0
        }
    }
}

/// Cancels `body` where it takes longer.
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
            throw APIError(.requestTimeout, "it took longer than \(deadline.components.seconds) s", code: "timeout")
        }
        return result
    }
}
