import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1

/// An error in the format of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`.
struct APIError: Error, Encodable, Equatable {
    enum Kind: String, Encodable {
        case invalidRequest = "invalid_request_error"
        case authentication = "authentication_error"
        case permission = "permission_error"
        case rateLimit = "rate_limit_error"
        case unavailable = "service_unavailable_error"
        case server = "server_error"
    }

    /// Maximum bytes of a message and of a field's name. Parts of both may come from the request or the service.
    static let messageLimit = 500
    static let paramLimit = 100
    /// Upper bound of `Retry-After`, in milliseconds.
    private static let longestRetryMs = 3_600_000

    var status: HTTPResponse.Status
    var kind: Kind
    /// A message for users.
    var message: String
    /// The field of the request that caused the error.
    var param: String?
    /// An identifier for programs.
    var code: String?
    /// When to try again.
    var retryAfterMs: Int?
    /// The methods that the path supports.
    var allowedMethods: [String] = []
    /// Whether the connection must be closed after the response.
    var closes = false

    init(
        _ status: HTTPResponse.Status, _ kind: Kind, _ message: String, param: String? = nil,
        code: String? = nil, retryAfterMs: Int? = nil
    ) {
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code
        self.retryAfterMs = retryAfterMs
    }

    /// Creates an error about an invalid request.
    init(_ status: HTTPResponse.Status, _ message: String, param: String? = nil, code: String? = nil) {
        self.init(status, .invalidRequest, message, param: param, code: code)
    }

    /// Converts any error thrown by a route.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as HTTPError where error.status == .notFound:
            self.init(.notFound, "there is nothing at this path", code: "not_found")
        case let error as HTTPError: self.init(error.status, error.body ?? error.status.reasonPhrase)
        case is NIOTooManyBytesError: self.init(.contentTooLarge, "the body is too large", code: "body_too_large")
        case is HTTPParserError:
            self.init(.badRequest, "the request is incomplete", code: "incomplete")
        case is CancellationError: self.init(.serviceUnavailable, .unavailable, "the request was cancelled")
        default: self.init(service: error)
        }
    }

    /// Replaces the name of a parameter of the service by that of the field that the client sent.
    func naming(_ fields: [String: String]) -> APIError {
        guard let param, let field = fields[param] else { return self }
        var error = self
        error.param = field
        error.message = message.replacing("‘\(param)’", with: "‘\(field)’")
        return error
    }

    private enum CodingKeys: String, CodingKey { case error }
    private enum ErrorKeys: String, CodingKey { case message, type, param, code }

    func encode(to encoder: any Encoder) throws {
        var whole = encoder.container(keyedBy: CodingKeys.self)
        var container = whole.nestedContainer(keyedBy: ErrorKeys.self, forKey: .error)
        try container.encode(message.clipped(to: Self.messageLimit), forKey: .message)
        try container.encode(kind, forKey: .type)
        // OpenAI's clients expect both keys, with null for no value.
        try container.encode(param?.clipped(to: Self.paramLimit), forKey: .param)
        try container.encode(code, forKey: .code)
    }

    var response: Response {
        var headers = HTTPFields()
        if let retryAfterMs {
            let milliseconds = min(max(0, retryAfterMs), Self.longestRetryMs)
            headers[.retryAfter] = "\((milliseconds + 999) / 1000)"
            headers[HTTPField.Name("retry-after-ms")!] = "\(milliseconds)"
        }
        if !allowedMethods.isEmpty { headers[.allow] = allowedMethods.joined(separator: ", ") }
        if closes { headers[.connection] = "close" }
        if status == .unauthorized { headers[.wwwAuthenticate] = "Bearer" }
        return .json(self, status: status, headers: headers)
    }
}

extension String {
    /// Returns the text without control characters, truncated to a number of bytes; truncation is marked.
    func clipped(to bytes: Int) -> String {
        var clipped = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            count += UTF8.width(scalar)
            guard count <= bytes else { return String(clipped) + "…" }
            let isControl = scalar.properties.generalCategory == .control
            clipped.append(isControl ? "\u{FFFD}" : scalar)
        }
        return String(clipped)
    }
}
