import Foundation
import NIOCore
import Testing
import WebClient
import WebPage

/// Checks that hold for every route of the table.
struct RouteTests {
    /// A request without the token reaches neither the service nor the inbox.
    @Test func changesRequireTheToken() async throws {
        let changes = Route.all.filter { $0.access == .change }
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
            #expect(try web.files == [])
        }
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
            for route in Route.all where route.access == .change {
                for example in route.examples {
                    let answer = try await web.send(route, example, headers: WebUnderTest.authorized)
                    #expect((200..<300).contains(answer.status), "\(example.target): \(answer.body)")
                }
            }
            #expect(web.service.changes == ["Train", "Train", "CancelRun", "Promote"])
        }
    }

    @Test func unknownPathsNameTheEndpoints() async throws {
        try await WebUnderTest.run { web in
            for path in [
                "/v1/chat/completions", "/v2", "/v1/models/a/b", "/v1%2Fmodels", "/%ff", "/%", "/v1/completion",
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
        for route in Route.all where route.method == .get { #expect(route.access == .read, "\(route.path)") }
    }

    /// The table in the documentation consists of the rows of the routes.
    @Test func everyRouteIsDocumented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/web.md")
        let rows = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
            .filter { line in Route.Method.allCases.contains { line.hasPrefix("| `\($0.rawValue) ") } }
        #expect(rows.map(String.init) == Route.all.map(\.documentationRow))
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
