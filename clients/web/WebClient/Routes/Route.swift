import HTTPTypes
import Hummingbird
import LimitedLogging

/// A route of the HTTP API. The table `Route.all` is the only declaration of a route: the router, the tests, the fuzz
/// targets and the documentation read it.
package struct Route: Sendable {
    package enum Method: String, CaseIterable, Sendable {
        case get = "GET"
        case post = "POST"
    }

    /// Who may send a request.
    package enum Access: Sendable {
        /// Everyone who can connect: the page's files and what a client needs to know before it has a key.
        case open
        /// Requires a key if the server has keys: the request changes nothing.
        case read
        /// Requires the token or an administrator's key: the request changes the state of the service or of its inbox, or
        /// reads what only administrators may.
        case change
        /// Requires the same: the response has text of the corpora or a whole model, which the service may not show to everyone who can
        /// connect to this server, but to its user.
        case reveal

        package var needsToken: Bool { self == .change || self == .reveal }

        /// The column of the table in `docs/web.md`.
        fileprivate var documentation: String {
            switch self {
            case .open: ""
            case .read: "key"
            case .change, .reveal: "token"
            }
        }
    }

    /// The part of a request that varies, with valid examples.
    package enum Input: Sendable {
        case nothing
        /// The value of the parameter in the path.
        case path([String])
        case query([String])
        /// A JSON body.
        case json([String])
        /// A query, and the bytes of a file as the body.
        case file([String])
    }

    typealias Handler = @Sendable (RouteServices, Request, BasicRequestContext) async throws -> Response

    package let method: Method
    /// The path, with a parameter in braces.
    package let path: String
    package let access: Access
    package let input: Input
    /// Whether the response ends only when the client or the server stops.
    package let isEndless: Bool
    /// The description in `docs/web.md`.
    package let documentation: String
    let handler: Handler

    init(
        _ method: Method, _ path: String, _ access: Access, _ input: Input, isEndless: Bool = false,
        _ documentation: String, _ handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.input = input
        self.isEndless = isEndless
        self.documentation = documentation
        self.handler = handler
    }

    /// Examples of valid requests: the request target and the body.
    package var examples: [(target: String, body: String)] {
        switch input {
        case .nothing: [(path, "")]
        case .path(let values): values.map { ("\(path[..<(path.firstIndex(of: "{") ?? path.endIndex)])\($0)", "") }
        case .query(let queries): queries.map { ("\(path)?\($0)", "") }
        case .json(let bodies): bodies.map { (path, $0) }
        case .file(let queries): queries.map { ("\(path)?\($0)", "a text") }
        }
    }

    /// Returns the value of a parameter of the path, decoded.
    static func value(_ name: String, _ context: BasicRequestContext) throws -> String {
        guard let value = PercentEncoding.decoded(try context.parameters.require(name)[...]) else {
            throw APIError(.badRequest, "the path is not percent-encoded UTF-8", param: name, code: "invalid_path")
        }
        return value
    }

    /// The row of the table in `docs/web.md`.
    package var documentationRow: String {
        "| `\(method.rawValue) \(path)` | \(access.documentation) | \(documentation) |"
    }
}

/// The parts of the server that handlers use.
struct RouteServices: Sendable {
    let client: ServiceClient
    let feed: EventFeed
    let inbox: Inbox
    let downloads = DownloadCount()
    let access: AccessControl
    /// The file that holds the token; nil if it is not stored in a file.
    let tokenFile: String?
    /// How long `/health` and `/metrics` wait for the service's answer.
    let healthDeadline: Duration
}

extension [Route] {
    /// Registers the routes, each with the check that its access requires.
    func router(
        services: RouteServices, hosts: [String], origins: AllowedOrigins, log: LimitLog
    ) -> Router<BasicRequestContext> {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: CrossOriginMiddleware(origins: origins))
        router.add(middleware: SecurityHeadersMiddleware(log: log))
        router.add(middleware: HostCheckMiddleware(allowing: hosts, origins: origins))
        router.add(middleware: RouteCheck(routes: self))
        for route in self {
            let method: HTTPRequest.Method =
                switch route.method {
                case .get: .get
                case .post: .post
                }
            let path = RouterPath(route.path)
            router.group().add(middleware: AccessCheck(control: services.access, access: route.access))
                .on(path, method: method) { try await route.handler(services, $0, $1) }
        }
        return router
    }
}
