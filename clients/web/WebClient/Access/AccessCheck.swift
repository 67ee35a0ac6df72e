import HTTPTypes
import Hummingbird
import LimitedLogging

/// Who may send which requests.
struct AccessControl: Sendable {
    /// Required for changes, unless the request has the key of an administrator.
    let token: AccessToken
    /// Nil if everyone who can connect may query the models.
    let keys: APIKeyFile?
    let limits = KeyLimits()
    /// Whether clients connect by TLS.
    let isEncrypted: Bool
    let log: LimitLog

    /// The sender of a request.
    enum Sender {
        case anyone
        case key(APIKey)
        /// Knows the token.
        case administrator

        var mayChange: Bool {
            switch self {
            case .anyone: false
            case .key(let key): key.isAdmin
            case .administrator: true
            }
        }

        var name: String? { if case .key(let key) = self { key.name } else { nil } }
    }

    /// The name of the cookie in which the page's requests carry the key. A browser cannot add a header to a stream of
    /// events.
    static let cookie = "kantaibert-key"

    /// Returns nil for a key that is not known.
    ///
    /// - Parameter acceptsCookie: false for changes, which another site could otherwise cause in the browser
    func sender(of request: Request, acceptsCookie: Bool) -> Sender? {
        let given = Self.bearer(request) ?? (acceptsCookie ? Self.cookie(request) : nil)
        guard let given else { return keys == nil ? .anyone : nil }
        if token.matches(given) { return .administrator }
        if let key = keys?.key(given, log: log) { return .key(key) }
        // Clients of OpenAI's API always send a key.
        return keys == nil ? .anyone : nil
    }

    private static func bearer(_ request: Request) -> Substring? {
        guard let field = request.headers[.authorization], field.prefix(7).lowercased() == "bearer " else { return nil }
        return field.dropFirst(7)
    }

    private static func cookie(_ request: Request) -> Substring? {
        for field in request.headers[values: .cookie] {
            for pair in field.split(separator: ";") {
                let pair = pair.drop { $0 == " " }
                if pair.hasPrefix("\(cookie)=") { return pair.dropFirst(cookie.utf8.count + 1) }
            }
        }
        return nil
    }

    /// The header with which the browser remembers what the request was sent with. Scripts cannot read the cookie, and
    /// requests from other sites do not have it.
    func remembering(_ request: Request) -> HTTPFields {
        guard keys != nil, let given = Self.bearer(request) else { return [:] }
        return [
            .setCookie:
                "\(Self.cookie)=\(given); Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
                + (isEncrypted ? "; Secure" : "")
        ]
    }
}

/// Checks that the sender of a request may send it, and limits the requests of each key.
struct AccessCheck<Context: RequestContext>: RouterMiddleware {
    let control: AccessControl
    let access: Route.Access

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard access != .open else { return try await next(request, context) }
        guard let sender = control.sender(of: request, acceptsCookie: access == .read) else {
            throw control.keys == nil ? Self.tokenRequired : Self.keyRequired
        }
        if access.needsToken, !sender.mayChange {
            throw sender.name.map(Self.notAdmin) ?? Self.tokenRequired
        }
        guard case .key(let key) = sender else { return try await next(request, context) }
        let inProgress: RequestInProgress
        do throws(KeyLimits.Excess) { inProgress = try control.limits.begin(key) } catch {
            throw Self.error(error, key)
        }
        var response = try await next(request, context)
        let body = response.body
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            try await body.write(writer)
            _ = inProgress
        }
        return response
    }

    private static var tokenRequired: APIError {
        APIError(
            .unauthorized, .authentication, "this requires the token, sent as ‘Authorization: Bearer TOKEN’",
            code: "invalid_token")
    }

    private static var keyRequired: APIError {
        APIError(
            .unauthorized, .authentication, "this server requires a key, sent as ‘Authorization: Bearer KEY’",
            code: "invalid_api_key")
    }

    private static func notAdmin(_ name: String) -> APIError {
        APIError(
            .forbidden, .permission,
            "the key ‘\(name)’ may ask, but not change anything: that requires ‘admin’ in its line",
            code: "not_admin")
    }

    private static func error(_ excess: KeyLimits.Excess, _ key: APIKey) -> APIError {
        switch excess {
        case .concurrent:
            APIError(
                .tooManyRequests, .rateLimit,
                "the key ‘\(key.name)’ has \(key.concurrent) requests in progress, its limit (‘concurrent’)",
                code: "rate_limit_exceeded", retryAfterMs: 1000)
        case .rate(let retryAfter):
            APIError(
                .tooManyRequests, .rateLimit,
                "the key ‘\(key.name)’ has sent its \(key.perMinute) requests of this minute (‘per_minute’)",
                code: "rate_limit_exceeded", retryAfterMs: Int(retryAfter / .milliseconds(1)) + 1)
        }
    }
}
