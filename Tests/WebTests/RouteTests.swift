import Foundation
import NIOCore
import Testing
import WebClient
import WebPage

/// Checks that hold for every route of the table.
struct RouteTests {
    /// A request without the token reaches neither the service nor the inbox.
    @Test func changesAndTextOfCorporaRequireTheToken() async throws {
        let changes = Route.all.filter(\.access.needsToken)
        #expect(!changes.isEmpty)
        try await WebUnderTest.run { web in
            let wrong = String(WebUnderTest.token.text.reversed())
            for headers in [[:], ["Authorization": "Bearer \(wrong)"], ["Authorization": WebUnderTest.token.text]] {
                for route in changes {
                    for example in route.examples {
                        let answer = try await web.send(route, example, headers: headers)
                        #expect(answer.status == 401, "\(example.target)")
                        #expect(answer.headers["www-authenticate"] == "Bearer")
                    }
                }
            }
            #expect(web.service.changes == [])
            #expect(web.service.searches == 0)
            #expect(try web.files == [])
        }
    }

    @Test func textOfCorporaIsForHoldersOfTheToken() {
        #expect(
            Route.all.filter { $0.access == .reveal }.map(\.path) == [
                "/v1/trace", "/v1/find", "/v1/similar", "/api/corpus", "/api/export",
            ])
    }

    /// The service sees a change only if the route requires the token.
    @Test func readsChangeNothing() async throws {
        try await WebUnderTest.run { web in
            for route in Route.all where route.access == .read && !route.isEndless {
                for example in route.examples {
                    let answer = try await web.send(route, example)
                    #expect(answer.status == 200, "\(example.target) \(example.body): \(answer.body)")
                }
            }
            #expect(web.service.changes == [])
            #expect(try web.files == [])
        }
    }

    @Test func tokenAllowsChanges() async throws {
        try await WebUnderTest.run { web in
            for route in Route.all where route.access.needsToken {
                for example in route.examples {
                    let answer = try await web.send(route, example, headers: WebUnderTest.authorized)
                    #expect((200..<300).contains(answer.status), "\(example.target): \(answer.body)")
                }
            }
            #expect(
                web.service.changes == [
                    "Train", "Train", "CancelRun", "Pause", "Pause", "Resume", "RemoveCorpus", "RemoveGeneration",
                    "Promote",
                ])
        }
    }

    @Test func unknownPathsNameTheEndpoints() async throws {
        try await WebUnderTest.run { web in
            for path in [
                "/v1/chat/completion", "/v2", "/v1/models/a/b", "/v1%2Fmodels", "/%ff", "/%", "/v1/completion",
            ] {
                let answer = try await web.post(path, json: "{}")
                #expect(answer.status == 404, "\(path)")
                #expect(answer.headers["content-type"] == "application/json")
                #expect(try answer.error().code == "not_found")
                #expect(try answer.error().message.contains("POST /v1/completions"))
            }
        }
    }

    @Test(arguments: [
        ("GET", "/v1/completions", "POST"), ("HEAD", "/v1/completions", "POST"), ("PUT", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/assistant", "GET, HEAD"), ("GET", "/api/%74rain", "POST"),
    ])
    func wrongMethodsNameTheRightOnes(method: String, path: String, allowed: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.request(method, path)
            #expect(answer.status == 405)
            #expect(answer.headers["allow"] == allowed)
            if method != "HEAD" { #expect(try answer.error().code == "method_not_allowed") }
        }
    }

    @Test func percentEncodedPathsAreDecoded() async throws {
        try await WebUnderTest.run { web in
            #expect(try await web.get("/%76%31/models/%61ssistant").status == 200)
            #expect(try await web.get("/static/%61pp.js").status == 200)
            let spaced = try await web.get("/v1/models/my%20model")
            #expect(spaced.status == 404)
            #expect(try spaced.error().message.contains("‘my model’"))
            #expect(try await web.get("/v1/models/%ff").error().code == "invalid_path")
            // Neither is the parent folder.
            #expect(try await web.get("/static/%2e%2e/app.js").status == 404)
            #expect(try await web.get("/static/..%2fapp.js").status == 404)
        }
    }

    @Test func gettingChangesNothing() {
        for route in Route.all where route.method == .get { #expect(route.access != .change, "\(route.path)") }
    }

    /// The table in the documentation consists of the rows of the routes.
    @Test func everyRouteIsDocumented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/web.md")
        let rows = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
            .filter { line in Route.Method.allCases.contains { line.hasPrefix("| `\($0.rawValue) ") } }
        #expect(rows.map(String.init) == Route.all.map(\.documentationRow))
    }

    @Test func everyRouteIsInTheOpenAPIDocument() async throws {
        try await WebUnderTest.run { web in
            let document = try await web.get("/openapi.json").json()
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
            #expect(Set(paths.keys) == Set(Route.all.map(\.path)))
            for route in Route.all {
                let operation = try #require(paths[route.path]?[route.method.rawValue.lowercased()], "\(route.path)")
                #expect((operation["security"] != nil) == (route.access != .open), "\(route.path)")
                #expect((operation["description"] as? String)?.isEmpty == false)
                let parameters = operation["parameters"] as? [[String: Any]] ?? []
                #expect(parameters.contains { $0["in"] as? String == "path" } == route.path.contains("{"))
                if case .json(let bodies) = route.input {
                    let content = (operation["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
                    let json = try #require(content?["application/json"])
                    #expect((json["examples"] as? [String: Any])?.count == bodies.count)
                }
            }
            let fields = try #require(paths["/api/metrics"]?["get"]?["parameters"] as? [[String: Any]])
            #expect(fields.map { $0["name"] as? String } == ["after_step", "limit", "run"])
            let body = try #require(paths["/v1/completions"]?["post"]?["requestBody"] as? [String: Any])
            let content = try #require(body["content"] as? [String: [String: Any]])
            let schema = try #require(content["application/json"]?["schema"] as? [String: Any])
            #expect(schema["required"] as? [String] == ["prompt"])
            let properties = try #require(schema["properties"] as? [String: [String: Any]])
            #expect(properties["prompt"]?["type"] as? [String] == ["array", "string"])
            #expect(properties["stop"]?["type"] as? [String] == ["array", "null", "string"])
            #expect(properties["temperature"]?["type"] as? [String] == ["number"])
            #expect(properties["n"]?["type"] as? [String] == ["integer"])
        }
    }

    /// Every field that the documentation names is in an example, and thereby in the OpenAPI document.
    @Test func examplesHaveEveryDocumentedField() throws {
        for path in ["/v1/completions", "/v1/embeddings", "/v1/fill-mask", "/v1/trace", "/v1/find"] {
            let route = try #require(Route.all.first { $0.path == path })
            let bodies = route.examples.map(\.body).joined()
            for field in route.documentation.matches(of: /`([a-z_]+)`[,; (]/).map(\.1) where field != "float" {
                #expect(bodies.contains("\"\(field)\""), "\(path): \(field)")
            }
        }
    }

    /// The page requests no path that is not a route.
    @Test func pageRequestsRoutesOnly() {
        let paths = Set(Route.all.map(\.path))
        var requested = 0
        for file in PageFile.all {
            for match in String(decoding: file.bytes, as: UTF8.self).matches(of: /["'`](\/(?:api|v1)\/[^"'`?]*)/) {
                requested += 1
                #expect(paths.contains(String(match.1)), "\(file.name) requests \(match.1)")
            }
        }
        #expect(requested > 0)
    }
}

extension WebUnderTest {
    /// Sends an example of a route.
    func send(
        _ route: Route, _ example: (target: String, body: String), headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        try await request(
            route.method.rawValue, example.target,
            headers: ["Content-Type": "application/json"].merging(headers) { $1 }, Array(example.body.utf8))
    }
}
