import Foundation
import Glibc
import LimitedLogging
import Logging
import Testing

import WebClient

@Suite("Keys of the HTTP API")
struct APIKeyTests {
    /// A file of keys in a folder of its own.
    private final class KeyFile {
        let path: String

        init(_ text: String, mode: mode_t = 0o600) throws {
            let folder = "/tmp/kantaibert-keys-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            path = "\(folder)/keys"
            try write(text)
            chmod(path, mode)
        }

        func write(_ text: String) throws { try text.write(toFile: path, atomically: false, encoding: .utf8) }

        deinit { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
    }

    private static let log = LimitLog(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, interval: .zero)

    private static func bearer(_ key: String) -> [String: String] { ["Authorization": "Bearer \(key)"] }

    @Test func queriesRequireAKeyAndChangesAnAdministrators() async throws {
        let (ask, admin) = (try APIKey.new(name: "ask"), try APIKey.new(name: "admin"))
        let file = try KeyFile("# who may ask\n\(ask.line)\n\n\(admin.line) admin # a person\n")
        let keys = try APIKeyFile(path: file.path)
        try await WebUnderTest.run(changing: { $0.keys = keys }) { web in
            let body = #"{"prompt": "a"}"#
            let nobody = try await web.post("/v1/completions", json: body)
            #expect(try nobody.status == 401 && nobody.error().code == "invalid_api_key")
            #expect(nobody.headers["www-authenticate"] == "Bearer")
            #expect(try await web.get("/api/status", headers: Self.bearer("kb-wrong")).status == 401)
            for path in ["/", "/health", "/openapi.json", "/api/place"] {
                #expect(try await web.get(path).status == 200, "\(path)")
            }
            for key in [ask.key, admin.key, WebUnderTest.token.text] {
                #expect(try await web.post("/v1/completions", json: body, headers: Self.bearer(key)).status == 200)
            }
            let promotion = #"{"model": "assistant", "generation": 2}"#
            let refused = try await web.post("/api/promote", json: promotion, headers: Self.bearer(ask.key))
            #expect(try refused.status == 403 && refused.error().code == "not_admin")
            #expect(web.service.promotions.isEmpty)
            #expect(
                try await web.post("/api/promote", json: promotion, headers: Self.bearer(admin.key)).status == 200)
        }
    }

    @Test func theBrowserRemembersTheKeyForQueriesOnly() async throws {
        let admin = try APIKey.new(name: "admin")
        let file = try KeyFile("\(admin.line) admin\n")
        let keys = try APIKeyFile(path: file.path)
        try await WebUnderTest.run(changing: { $0.keys = keys }) { web in
            let session = try await web.post("/api/session", json: "", headers: Self.bearer(admin.key))
            #expect(session.body == #"{"may_change":true,"name":"admin"}"#)
            let cookie = try #require(session.headers["set-cookie"])
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"))
            let sent = ["Cookie": "other=1; " + cookie.prefix { $0 != ";" }]
            #expect(try await web.get("/api/status", headers: sent).status == 200)
            #expect(try await web.post("/api/train", json: "{}", headers: sent).status == 401)
            #expect(try await web.post("/api/session", json: "", headers: sent).status == 401)
        }
    }

    @Test func requestsOfAKeyAreLimited() throws {
        let key = try APIKey(line: "a sha256:\(String(repeating: "0", count: 64)) per_minute=60 concurrent=2")
        let limits = KeyLimits()
        let start = ContinuousClock.now
        var first: RequestInProgress? = try limits.begin(key, at: start)
        let second = try limits.begin(key, at: start)
        #expect(throws: KeyLimits.Excess.concurrent) { try limits.begin(key, at: start) }
        withExtendedLifetime(first) {}
        first = nil
        // Ten requests at once, then one a second.
        for _ in 0..<8 { _ = try limits.begin(key, at: start) }
        #expect(throws: KeyLimits.Excess.rate(retryAfter: .seconds(1))) { try limits.begin(key, at: start) }
        _ = try limits.begin(key, at: start + .seconds(1))
        #expect(throws: KeyLimits.Excess.self) { try limits.begin(key, at: start + .seconds(1)) }
        withExtendedLifetime(second) {}
    }

    @Test func excessRequestsAreToldWhenToTryAgain() async throws {
        let key = try APIKey.new(name: "ask")
        let file = try KeyFile("\(key.line) per_minute=6\n")
        let keys = try APIKeyFile(path: file.path)
        try await WebUnderTest.run(changing: { $0.keys = keys }) { web in
            #expect(try await web.get("/v1/models", headers: Self.bearer(key.key)).status == 200)
            let refused = try await web.get("/v1/models", headers: Self.bearer(key.key))
            #expect(try refused.status == 429 && refused.error().code == "rate_limit_exceeded")
            #expect(try refused.error().message.contains("ask"))
            #expect(Int(try #require(refused.headers["retry-after"])).map { (1...10).contains($0) } == true)
        }
    }

    @Test func aChangedFileIsReadAgainAndADamagedOneIsNot() throws {
        let (first, second) = (try APIKey.new(name: "first"), try APIKey.new(name: "second"))
        let file = try KeyFile(first.line)
        let keys = try APIKeyFile(path: file.path)
        func isKnown(_ key: String) -> Bool { keys.key(key, checkingEvery: .zero, log: Self.log) != nil }
        #expect(isKnown(first.key) && !isKnown(second.key))
        try file.write("\(second.line)\n# \(first.line)\n")
        #expect(!isKnown(first.key) && isKnown(second.key))
        try file.write("what?\n")
        #expect(!isKnown(first.key) && isKnown(second.key))
        try FileManager.default.removeItem(atPath: file.path)
        #expect(isKnown(second.key))
    }

    @Test(arguments: [
        ("a sha256:12", "line 1: ‘a’ is not followed by ‘sha256:’"),
        ("# none\n\n", "has no keys"),
        ("a/b sha256:0", "line 1: ‘a/b’ is not a name"),
        ("a sha256:\(String(repeating: "f", count: 64)) root", "‘root’ of ‘a’ is not known"),
        ("a sha256:\(String(repeating: "f", count: 64)) per_minute=0", "‘per_minute’ of ‘a’ must be"),
        (
            """
            a sha256:\(String(repeating: "f", count: 64))
            b sha256:\(String(repeating: "F", count: 64))
            """, "line 2: the name or the hash of ‘b’ was declared before"
        ),
    ])
    func errorsNameTheLine(text: String, message: String) throws {
        let file = try KeyFile(text)
        let error = #expect(throws: APIKeyFileError.self) { try APIKeyFile(path: file.path) }
        let description = error.map { "\($0)" } ?? ""
        #expect(description.contains(message), "\(description)")
    }

    @Test func filesThatCannotBeTrustedAreRefused() throws {
        let line = try APIKey.new(name: "a").line
        let writable = try KeyFile(line, mode: 0o666)
        #expect(throws: APIKeyFileError.writable(path: writable.path)) { try APIKeyFile(path: writable.path) }
        let large = try KeyFile(String(repeating: "# \(line)\n", count: 20_000))
        #expect(throws: APIKeyFileError.tooLarge(path: large.path)) { try APIKeyFile(path: large.path) }
        #expect(throws: APIKeyFileError.notAFile(path: "/dev/null")) { try APIKeyFile(path: "/dev/null") }
        #expect(throws: APIKeyFileError.unreadable(path: "/nowhere", errno: ENOENT)) {
            try APIKeyFile(path: "/nowhere")
        }
    }
}
