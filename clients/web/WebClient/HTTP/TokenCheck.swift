import HTTPTypes
import Hummingbird

/// Requires the token: every user of this machine can reach the port, but not every user may make changes.
struct TokenCheck<Context: RequestContext>: RouterMiddleware {
    let token: AccessToken

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let given = request.headers[.authorization], given.hasPrefix("Bearer "), token.matches(given.dropFirst(7))
        else {
            throw APIError(
                .unauthorized, .authentication, "this requires the token, sent as ‘Authorization: Bearer TOKEN’",
                code: "invalid_token")
        }
        return try await next(request, context)
    }
}
