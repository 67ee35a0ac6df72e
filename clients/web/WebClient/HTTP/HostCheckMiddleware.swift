import HTTPTypes
import Hummingbird

/// Accepts requests from the server's own page and from programs, and rejects those of other web sites.
///
/// Another site in the same browser can send requests to this server, which `Origin` and `Sec-Fetch-Site` reveal. With
/// a host name that resolves to this machine (DNS rebinding) it could also read the responses, which `Host` reveals.
struct HostCheckMiddleware<Context: RequestContext>: RouterMiddleware {
    /// Accepted host names, without ports: a tunnel may use another port.
    private let hosts: Set<String>
    private let origins: AllowedOrigins

    /// - Parameters:
    ///   - allowing: names accepted in addition to those of the loopback interface, such as a reverse proxy's
    ///   - origins: other sites whose requests are accepted
    init(allowing others: [String], origins: AllowedOrigins) {
        self.origins = origins
        hosts = Set(["127.0.0.1", "localhost", "[::1]"] + others.map { $0.lowercased() })
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let authority = request.head.authority?.lowercased() ?? ""
        guard hosts.contains(Self.name(authority)) else {
            throw APIError(
                .misdirectedRequest, "the host ‘\(authority)’ is not served here; allow it with --allow-host",
                code: "wrong_host")
        }
        if let origin = request.headers[.origin], origins.allows(origin, request.uri.path) {
            return try await next(request, context)
        }
        if let origin = request.headers[.origin]?.lowercased() {
            guard origin == "http://\(authority)" || origin == "https://\(authority)" else {
                throw APIError(
                    .forbidden, .permission, "requests from other sites are not allowed", code: "wrong_origin")
            }
        }
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" {
            // Links from other sites to the page are allowed.
            let isLink = request.method == .get && request.headers[.secFetchMode] == "navigate"
            guard isLink else {
                throw APIError(
                    .forbidden, .permission, "requests from other sites are not allowed", code: "wrong_origin")
            }
        }
        return try await next(request, context)
    }

    /// Returns `localhost` for `localhost:8460`, `[::1]` for `[::1]:8460`.
    private static func name(_ authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), authority[colon...].dropFirst().allSatisfy(\.isNumber),
            !authority.hasPrefix("[") || authority[..<colon].hasSuffix("]")
        else { return authority }
        return String(authority[..<colon])
    }
}

extension HTTPField.Name {
    static let secFetchSite = Self("Sec-Fetch-Site")!
    static let secFetchMode = Self("Sec-Fetch-Mode")!
}
