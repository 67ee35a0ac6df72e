import HTTPTypes
import Hummingbird
import LimitedLogging
import Logging

/// What every answer has in common: errors in one shape, and headers that keep a browser from doing more than the page
/// needs.
struct Manners<Context: RequestContext>: RouterMiddleware {
    /// Nothing but our own files, no frames, no forms, no text that becomes markup.
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
                    .warning, "a request failed",
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
        // Bytes behind the head would be taken for the next answer.
        return request.method == .head ? response.createHeadResponse() : response
    }
}
