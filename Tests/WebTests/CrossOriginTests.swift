import Testing
import WebClient

@Suite("Requests of other sites")
struct CrossOriginTests {
    private static let preflight = [
        "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
    ]

    private static func from(_ origin: String) -> [String: String] {
        ["Origin": origin, "Sec-Fetch-Site": "cross-site"]
    }

    @Test func allowedSitesMayUseTheAPIOnly() async throws {
        let origins = try AllowedOrigins(["https://Example.org"])
        try await WebUnderTest.run(changing: { $0.origins = origins }) { web in
            let asked = try await web.request(
                "OPTIONS", "/v1/completions",
                headers: Self.from("https://example.org").merging(Self.preflight) { $1 })
            #expect(asked.status == 204)
            #expect(asked.headers["access-control-allow-origin"] == "https://example.org")
            #expect(asked.headers["access-control-allow-headers"] == "authorization,content-type")
            #expect(asked.headers["access-control-allow-methods"] == "GET, POST")
            let answer = try await web.post(
                "/v1/completions", json: #"{"prompt": "a"}"#, headers: Self.from("https://example.org"))
            #expect(answer.status == 200 && answer.headers["vary"] == "Origin")
            #expect(answer.headers["access-control-allow-origin"] == "https://example.org")
            // A script must be able to read errors.
            let error = try await web.post("/v1/completions", json: "{", headers: Self.from("https://example.org"))
            #expect(error.status == 400)
            #expect(error.headers["access-control-allow-origin"] == "https://example.org")
            for (path, origin) in [
                ("/api/status", "https://example.org"), ("/v1/models", "https://example.org:8443"),
                ("/v1/models", "http://example.org"), ("/v1/models", "null"),
            ] {
                let refused = try await web.get(path, headers: Self.from(origin))
                #expect(refused.status == 403, "\(path) \(origin)")
                #expect(refused.headers["access-control-allow-origin"] == nil)
            }
        }
    }

    @Test func noSiteIsAllowedByDefault() async throws {
        try await WebUnderTest.run { web in
            let headers = Self.from("https://example.org").merging(Self.preflight) { $1 }
            let answer = try await web.request("OPTIONS", "/v1/completions", headers: headers)
            #expect(answer.status == 403 && answer.headers["access-control-allow-origin"] == nil)
        }
    }

    @Test(arguments: ["example.org", "https://", "https://a/b", "ftp://a", "https://a b", "https://u@a"])
    func originsAreSites(text: String) {
        #expect(throws: InvalidOrigin.self) { try AllowedOrigins([text]) }
    }
}
