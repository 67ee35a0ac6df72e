import HTTPTypes
import Hummingbird

/// Lets in who knows the token: everyone on this machine reaches the port, but not everyone may change something.
struct TokenCheck<Context: RequestContext>: RouterMiddleware {
    let token: AccessToken

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let given = request.headers[.authorization], given.hasPrefix("Bearer "), token.matches(given.dropFirst(7))
        else {
            throw APIError(
                .unauthorized, .authentication, "this needs the token: Authorization: Bearer TOKEN",
                code: "invalid_token")
        }
        return try await next(request, context)
    }
}
