import HTTPTypes
import Hummingbird

/// Rejects requests that no route answers, and says which paths and methods exist.
struct RouteCheck<Context: RequestContext>: RouterMiddleware {
    let routes: [Route]

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let path = Route.segments(request.uri.path)
        let matching = routes.filter { $0.matches(path) }
        guard !matching.isEmpty else {
            throw APIError(
                .notFound, "there is nothing at ‘\(request.uri.path.clipped(to: 100))’; the endpoints are \(endpoints)",
                code: "not_found")
        }
        let methods = matching.flatMap(\.allowedMethods)
        guard methods.contains(request.method.rawValue) else {
            var error = APIError(
                .methodNotAllowed,
                "\(matching[0].path) supports \(methods.joined(separator: " and ")), not"
                    + " \(request.method.rawValue.clipped(to: 20))",
                code: "method_not_allowed")
            error.allowedMethods = methods
            throw error
        }
        return try await next(request, context)
    }

    /// The routes for programs that know OpenAI's API.
    private var endpoints: String {
        routes.filter { $0.path.hasPrefix("/v1/") }.map { "\($0.method.rawValue) \($0.path)" }.joined(separator: ", ")
    }
}

extension Route {
    /// Splits a path as the router does.
    static func segments(_ path: String) -> [Substring] { path.split(separator: "/") }

    /// The methods of this route; `GET` includes `HEAD`.
    var allowedMethods: [String] {
        switch method {
        case .get: [method.rawValue, HTTPRequest.Method.head.rawValue]
        case .post: [method.rawValue]
        }
    }

    func matches(_ path: [Substring]) -> Bool {
        let own = Self.segments(self.path)
        return own.count == path.count && zip(own, path).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
}
