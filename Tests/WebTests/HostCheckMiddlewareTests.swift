import FoundationEssentials
import Glibc
import Interface
import Testing
import WebClient

/// Access control by host, origin and token.
struct HostCheckMiddlewareTests {
    @Test(arguments: [
        ("127.0.0.1", 200), ("localhost:9999", 200), ("[::1]:8460", 200), ("box.lan", 200), ("BOX.lan:80", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example:8460", 421), ("localhost.:8460", 421), ("", 400),
        ("[::1]evil", 421),
    ])
    func foreignHostsAreRejected(host: String, status: Int) async throws {
        try await WebUnderTest.run(hosts: ["box.lan"]) { web in
            let answer = try await web.get("/v1/models", headers: ["Host": host])
            #expect(answer.status == status)
            if status == 421 { #expect(try answer.error().code == "wrong_host") }
        }
    }

    @Test(arguments: [
        (["Origin": "http://localhost:1"], 200), (["Origin": "https://localhost:1"], 200),
        (["Origin": "http://localhost:2"], 403), (["Origin": "http://evil.example"], 403), (["Origin": "null"], 403),
        (["Sec-Fetch-Site": "same-origin"], 200), (["Sec-Fetch-Site": "none"], 200),
        (["Sec-Fetch-Site": "cross-site"], 403), (["Sec-Fetch-Site": "same-site"], 403),
        (["Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"], 403),
    ])
    func requestsFromOtherSitesAreRejected(headers: [String: String], status: Int) async throws {
        try await WebUnderTest.run { web in
            let headers = headers.merging(["Host": "localhost:1"]) { $1 }
            for answer in [
                try await web.post("/v1/completions", json: #"{"prompt": "I"}"#, headers: headers),
                try await web.get("/v1/models", headers: headers),
            ] {
                #expect(answer.status == status)
                #expect(answer.headers["access-control-allow-origin"] == nil)
            }
        }
    }

    @Test func linksFromOtherSitesReachThePage() async throws {
        try await WebUnderTest.run { web in
            let headers = ["Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"]
            let page = try await web.get("/", headers: headers)
            #expect(page.status == 200)
            let form = try await web.post("/v1/completions", json: "{}", headers: headers)
            #expect(form.status == 403)
        }
    }

    /// A form on another site sends one of these three types, even in browsers too old to send `Origin`.
    @Test(arguments: ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
    func formsAreRejected(type: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/completions", json: #"{"prompt": "I"}"#, headers: ["Content-Type": type])
            #expect(answer.status == 415)
            #expect(web.service.asked.isEmpty)
        }
    }

    @Test func validTokenReachesTheService() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/api/promote", json: #"{"model": "assistant", "generation": 2}"#, headers: WebUnderTest.authorized)
            #expect(answer.status == 200)
            #expect(web.service.promotions == [.init(model: "assistant", generation: 2)])
            let session = try await web.post("/api/session", json: "", headers: WebUnderTest.authorized)
            #expect(session.status == 200 && session.body == #"{"may_change":true,"name":null}"#, "\(session.body)")
            let wrong = try await web.post("/api/session", json: "", headers: ["Authorization": "Bearer wrong"])
            #expect(try wrong.status == 401 && wrong.error().code == "invalid_token")
            let refused = try await web.post(
                "/api/promote", json: #"{"model": "forbidden", "generation": 2}"#, headers: WebUnderTest.authorized)
            #expect(refused.status == 403)
            #expect(try refused.error().code == "not_permitted")
            #expect(try refused.error().message.contains("root"))
        }
    }

    @Test func tokenFileIsReadableByItsOwnerOnly() async throws {
        try await WebUnderTest.run { web in
            let path = "\(web.folder)/token"
            let made = try AccessToken(file: path)
            #expect(made.text.count == 32)
            #expect(made.text != AccessToken().text)
            #expect(try AccessToken(file: path).text == made.text)
            #expect(!made.isReplaced)
            #expect(try permissions(path) == 0o600)
        }
    }

    @Test func tokenInASetgidFolderIsReadableByTheGroup() async throws {
        try await WebUnderTest.run { web in
            let folder = "\(web.folder)/state"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            try #require(chmod(folder, 0o2750) == 0)
            let path = "\(folder)/token"
            let made = try AccessToken(file: path)
            #expect(try permissions(path) == 0o640)
            let again = try AccessToken(file: path)
            #expect(again.text == made.text && !again.isReplaced)
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660]) func tokenThatOthersCouldReadIsReplaced(mode: mode_t) async throws {
        try await WebUnderTest.run { web in
            let path = "\(web.folder)/token"
            let old = try AccessToken(file: path)
            try #require(chmod(path, mode) == 0)
            let new = try AccessToken(file: path)
            #expect(new.isReplaced && new.text != old.text)
            #expect(try permissions(path) == 0o600)
            #expect(try AccessToken(file: path).text == new.text)
        }
    }
}
