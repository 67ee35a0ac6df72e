import HTTPTypes
import Hummingbird
import LimitedLogging
import Logging

/// Middleware for all responses: converts errors to one format and adds headers that restrict the browser to what the
/// page needs.
struct SecurityHeadersMiddleware<Context: RequestContext>: RouterMiddleware {
    /// Allows the server's own files only: no frames, no forms, no conversion of text to markup.
    static var contentSecurityPolicy: String {
        """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
        trusted-types 'none'
        """
    }

    private static var fault: HTTPField.Name { .init(RequestWatch.faultHeader)! }

    let log: LimitLog

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            if let fault = request.headers[Self.fault].flatMap(HeadFault.init(rawValue:)) { throw fault.error }
            response = try await next(request, context)
        } catch {
            let error = APIError(error)
            if error.status.kind == .serverError {
                log.write(
                    .warning, "request failed",
                    "\(request.method.rawValue.clipped(to: 20)) \(request.uri.path.clipped(to: 200)): "
                        + error.message.clipped(to: APIError.messageLimit))
            }
            response = error.response
        }
        response.headers[.contentSecurityPolicy] = Self.contentSecurityPolicy
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[HTTPField.Name("Referrer-Policy")!] = "no-referrer"
        response.headers[HTTPField.Name("Cross-Origin-Opener-Policy")!] = "same-origin"
        response.headers[HTTPField.Name("Cross-Origin-Resource-Policy")!] = "same-origin"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        // A body after the head would be read as the next response.
        return request.method == .head ? response.createHeadResponse() : response
    }
}
