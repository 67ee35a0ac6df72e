import HTTPTypes
import Hummingbird

/// Lets in what comes from our own page or from no page at all.
///
/// Another site in the same browser can send requests here, and with a name of its own that leads to this machine (DNS
/// rebinding) it could read the answers: the first is known by `Origin` and `Sec-Fetch-Site`, the second by `Host`.
struct Gate<Context: RequestContext>: RouterMiddleware {
    /// Names this machine is called by, without ports: a tunnel may end on another one.
    let hosts: Set<String>

    /// - Parameter allowing: names beside those of the loopback interface, such as a reverse proxy passes on
    init(allowing others: [String]) {
        hosts = Set(["127.0.0.1", "localhost", "[::1]"] + others.map { $0.lowercased() })
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let authority = request.head.authority?.lowercased() ?? ""
        guard hosts.contains(Self.name(authority)) else {
            throw APIError(.misdirectedRequest, "the Host ‘\(authority)’ is not served here", code: "wrong_host")
        }
        if let origin = request.headers[.origin]?.lowercased() {
            guard origin == "http://\(authority)" || origin == "https://\(authority)" else {
                throw APIError(.forbidden, .permission, "other sites may not ask here", code: "wrong_origin")
            }
        }
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" {
            // A link on another site may lead to the page.
            let isLink = request.method == .get && request.headers[.secFetchMode] == "navigate"
            guard isLink else {
                throw APIError(.forbidden, .permission, "other sites may not ask here", code: "wrong_origin")
            }
        }
        return try await next(request, context)
    }

    /// `localhost` of `localhost:8460`, `[::1]` of `[::1]:8460`.
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
