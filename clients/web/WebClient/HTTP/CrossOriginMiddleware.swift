import HTTPTypes
import Hummingbird

/// Lets scripts of the given sites use the API (Cross-Origin Resource Sharing): the routes below `/v1/` only, so that no
/// other site can act as the page does.
///
/// Source: https://fetch.spec.whatwg.org/#http-cors-protocol
struct CrossOriginMiddleware<Context: RequestContext>: RouterMiddleware {
    let origins: AllowedOrigins

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin], origins.allows(origin, request.uri.path) else {
            return try await next(request, context)
        }
        let isPreflight =
            request.method == .options && request.headers[.accessControlRequestMethod] != nil
        var response = isPreflight ? preflight(request) : try await next(request, context)
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[values: .vary].append("Origin")
        response.headers[.accessControlExposeHeaders] = "Retry-After, Retry-After-Ms"
        return response
    }

    private func preflight(_ request: Request) -> Response {
        var headers: HTTPFields = [
            .accessControlAllowMethods: "GET, POST",
            .accessControlMaxAge: "600",
        ]
        // Clients of OpenAI's API send headers of their own (`x-stainless-…`).
        if let names = request.headers[.accessControlRequestHeaders] {
            headers[.accessControlAllowHeaders] = names.clipped(to: 1000)
        }
        if request.headers[.privateNetworkRequest] == "true" { headers[.privateNetworkAllowed] = "true" }
        return Response(status: .noContent, headers: headers)
    }
}

/// Sites whose scripts may use the API.
public struct AllowedOrigins: Sendable, Equatable {
    private let origins: Set<String>

    /// No sites.
    public init() { origins = [] }

    /// - Parameter texts: origins such as `https://example.org`, or `*` for any
    public init(_ texts: [String]) throws(InvalidOrigin) {
        for text in texts where text != "*" {
            let parts = text.lowercased().split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
            let isOrigin =
                parts.count == 2 && (parts[0] == "http" || parts[0] == "https") && !parts[1].isEmpty
                && !parts[1].contains { "/?#@ ".contains($0) }
            guard isOrigin else { throw InvalidOrigin(text: text.clipped(to: 100)) }
        }
        origins = Set(texts.map { $0.lowercased() })
    }

    /// Whether a script of this origin may send a request to this path.
    func allows(_ origin: String, _ path: String) -> Bool {
        path.hasPrefix("/v1/") && (origins.contains("*") || origins.contains(origin.lowercased()))
    }
}

/// A text that is not the origin of a site.
public struct InvalidOrigin: Error, Equatable, CustomStringConvertible {
    public let text: String

    public var description: String {
        "‘\(text)’ is not an origin: use https://HOST, https://HOST:PORT or the same with http, without a path, or *"
    }
}

extension HTTPField.Name {
    static let privateNetworkRequest = Self("Access-Control-Request-Private-Network")!
    static let privateNetworkAllowed = Self("Access-Control-Allow-Private-Network")!
}
