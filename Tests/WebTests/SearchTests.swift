import Foundation
import Testing

/// `/v1/trace` and `/v1/find`.
struct SearchTests {
    @Test func tracesAText() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/trace", json: #"{"text": "a pure one"}"#, headers: WebUnderTest.authorized)
            #expect(answer.status == 200)
            let spans = try #require(try answer.json()["spans"] as? [[String: Any]])
            #expect(spans[0]["offset"] as? Int == 2 && spans[0]["count"] as? Int == 9)
            let passages = try #require(spans[0]["passages"] as? [[String: Any]])
            #expect(passages[0]["name"] as? String == "a.txt" && passages[0]["line"] as? Int == 7)
            #expect((try answer.json()["searched"] as? [String: Any])?["removed"] as? Int == 2)
        }
    }

    @Test func findsWords() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/find", json: #"{"query": "pure"}"#, headers: WebUnderTest.authorized)
            #expect(try answer.json()["total"] as? Int == 3)
            #expect(try answer.json()["next"] as? String == "1")
        }
    }

    @Test func listsSimilarPassages() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/similar", json: #"{"text": "<b>"}"#, headers: WebUnderTest.authorized)
            #expect(answer.status == 200)
            let passages = try #require(try answer.json()["by_embedding"] as? [[String: Any]])
            #expect(passages[0]["text"] as? String == "<b>" && passages[0]["line"] as? Int == 7)
            #expect(try answer.json()["is_sample"] as? Bool == true)
        }
    }

    @Test(arguments: [
        ("new", 503, "index_not_ready"), ("off", 403, "trace_disabled"), ("guarded", 403, "not_permitted"),
        ("imported", 409, "not_searchable"),
    ])
    func refusalsSayWhy(model: String, status: Int, code: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/trace", json: #"{"text": "a", "model": "\#(model)"}"#, headers: WebUnderTest.authorized)
            #expect(answer.status == status)
            #expect(try answer.error().code == code)
            if model == "new" { #expect(answer.headers["retry-after-ms"] == "500") }
        }
    }

    @Test(arguments: [
        ("/v1/trace", #"{"text": "a", "passages": 21}"#, "passages", "invalid_value"),
        ("/v1/trace", #"{"text": "a", "pasages": 2}"#, "pasages", "unknown_field"),
        ("/v1/similar", #"{"text": "a", "limit": 101}"#, "limit", "invalid_value"),
        ("/v1/find", #"{"query": "a", "limit": 0}"#, "limit", "invalid_value"),
        ("/v1/find", #"{"query": "(", "regex": true}"#, "query", "invalid_value"),
    ])
    func invalidFieldsAreNamed(path: String, body: String, field: String, code: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(path, json: body, headers: WebUnderTest.authorized)
            #expect(answer.status == 400)
            #expect(try answer.error().param == field)
            #expect(try answer.error().code == code)
        }
    }
}
