import FoundationEssentials
import Glibc
import Interface
import Varlink
import WebClient

/// Targets for requests to `kantaibert-web`, and for arbitrary replies of the service to it. Requests pass through the
/// whole server over a Unix socket; the service is a function.
extension FuzzTarget {
    static let http: [FuzzTarget] =
        Route.all.compactMap { route in
            guard case .json(let bodies) = route.input else { return nil }
            // Without `v1` or `api`.
            let name = route.path.split(separator: "/").dropFirst().joined(separator: "_").replacing("-", with: "_")
            return body("http_\(name)", route, bodies.map { Array($0.utf8) })
        } + [inbox, query, request, service]

    private static func body(_ name: String, _ route: Route, _ seeds: [[UInt8]]) -> FuzzTarget {
        FuzzTarget(name: name, seeds: seeds) { input in
            let answer = WebUnderFuzz.shared.ask(route, route.path, input)
            check(answer, "\(route.path) with \(String(decoding: input.prefix(500), as: UTF8.self))")
            if answer.headers.contains("text/event-stream") {
                expect(answer.body.hasSuffix("data: [DONE]\n\n"), "an unterminated stream: \(answer.body)")
            }
        }
    }

    /// Routes whose response ends.
    private static let finite = Route.all.filter { !$0.isEndless }

    /// The first byte selects a route. The rest is the query, with invalid characters escaped.
    private static let query = FuzzTarget(
        name: "http_query",
        seeds: finite.enumerated().flatMap { index, route in
            route.examples.map {
                [UInt8(index)] + Array(($0.target.split(separator: "?").dropFirst().first ?? "").utf8)
            }
        }
    ) { input in
        guard let first = input.first else { return }
        let route = finite[Int(first) % finite.count]
        let query = escaped(input.dropFirst())
        check(WebUnderFuzz.shared.ask(route, "\(route.path)?\(query)", []), "\(route.path)?\(query)")
        _ = WebUnderFuzz.shared.takeFiles()
    }

    private static func escaped(_ query: ArraySlice<UInt8>) -> String {
        query.prefix(2000).map { byte in
            let isPlain = (0x21...0x7e).contains(byte) && byte != UInt8(ascii: "#")
            return isPlain
                ? String(Unicode.Scalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// The first line is the query, with invalid characters escaped. The rest is the file.
    private static let inbox = FuzzTarget(
        name: "http_inbox",
        seeds: texts(
            "name=a.txt\nthe text", "name=critique%20of%20reason.txt&model=assistant\n",
            "model=assistant&name=..%2F..%2Fb\nx")
    ) { input in
        let line = input.prefix { $0 != UInt8(ascii: "\n") }
        let content = Array(input.dropFirst(line.count + 1))
        let query = escaped(line)
        let web = WebUnderFuzz.withUploads
        let answer = web.post("/api/inbox?\(query)", type: "text/plain", content)
        check(answer, "upload ?\(query)")
        let files = web.takeFiles()
        guard answer.status == 201 else {
            expect(files.isEmpty, "\(files.map(\.name)) after an upload with status \(answer.status)")
            return
        }
        expect(files.count == 1 && files[0].bytes == content, "\(files.map(\.name)) after one upload")
        expect(answer.body.contains("\"bytes\":\(content.count)"), answer.body)
    }

    /// The raw bytes of a connection. If there is no response, the client shuts down its side of the connection.
    private static let request = FuzzTarget(
        name: "http_request",
        seeds: texts(
            "GET /v1/models/m HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET /api/runs?model=m&limit=3 HTTP/1.1\r\nHost: [::1]:1\r\nLast-Event-ID: 4\r\nRange: bytes=0-\r\n\r\n",
            "GET http://localhost/api/metrics?run=m-1&after_step=4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "HEAD /api/events HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nSec-Fetch-Site: none\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                + "Transfer-Encoding: chunked\r\n\r\ne\r\n{\"prompt\":\"a\"}\r\n0\r\nX: y\r\n\r\n",
            "POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
                + "{\"text\":\"<mask>\"}GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "POST /v1/embeddings HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
                + "{\"input\":\"a\"}",
            "GET /%761/models/a%20b%2f%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n")
    ) { input in
        let bytes = WebUnderFuzz.shared.exchange(input, hangsUp: true)
        // A client that disconnects early may receive no response.
        guard !bytes.isEmpty else { return }
        guard let answer = HTTPAnswerUnderFuzz(bytes) else {
            fatalError("not an HTTP response: \(String(decoding: bytes.prefix(500), as: UTF8.self))")
        }
        expect(
            (100...599).contains(answer.status) && answer.status != 500,
            "\(answer.status) for \(String(decoding: input.prefix(500), as: UTF8.self))")
    }

    private static let exampleRequests = finite.flatMap { route in
        route.examples.map { (route: route, target: $0.target, body: $0.body) }
    }

    /// The first byte selects the request. The rest are the replies of the service, separated by NUL.
    private static let service = FuzzTarget(
        name: "http_service",
        seeds: [
            (
                "/v1/completions",
                #"{"parameters":{"text":"a","finish_reason":"stop","prompt_tokens":9,"generated_tokens":9}}"#
            ),
            (
                "/v1/completions",
                #"{"continues":true,"parameters":{"text":"a"}}"# + "\0"
                    + #"{"parameters":{"text":"","receipt":{"model":"m","generation":1,"model_sha256":"","seed":1}}}"#
            ),
            (
                "/v1/completions",
                #"{"parameters":{"text":"ab","model":"m","tokens":[{"id":5,"token":"a","offset":0},{"id":6,"token":"b","offset":1,"log_probability":-1e300,"top":[{"id":5,"token":"a","log_probability":-0.5}]}]}}"#
            ),
            (
                "/v1/embeddings",
                #"{"parameters":{"embeddings":[{"embedding":[1e300,-0.5],"tokens":9223372036854775807},{"embedding":[],"tokens":-1}],"receipt":{"model":"m","generation":1,"model_sha256":"","seed":1}}}"#
            ),
            (
                "/v1/fill-mask",
                #"{"parameters":{"masks":[{"fillings":[]}],"receipt":{"model":"m","generation":1,"model_sha256":"","seed":1}}}"#
            ),
            (
                "/v1/models",
                #"{"parameters":{"models":[{"name":"m","objective":"clm","generation":3,"state":"idle"}]}}"#
            ),
            (
                "/metrics",
                #"{"parameters":{"version":"1","uptime_seconds":1e300,"models":[],"queued":[],"inbox_pending":1,"resources":{"cpu_seconds":1}}}"#
            ),
            (
                "/v1/completions",
                #"{"error":"io.kantaibert.Inference.Overloaded","parameters":{"retry_after_ms":9223372036854775807}}"#
            ),
            ("/api/promote", #"{"error":"org.varlink.service.PermissionDenied","parameters":{"needs":"root"}}"#),
        ].flatMap { target, replies in
            exampleRequests.indices.filter { exampleRequests[$0].target == target }
                .map { [UInt8($0)] + Array(replies.utf8) }
        }
    ) { input in
        // Limited, because the server may request a reply once for each model in another reply.
        guard let first = input.first, input.count <= 8192 else { return }
        let replies = input.dropFirst().split(separator: 0).map(Array.init)
        let web = WebUnderFuzz.withFaultyService
        let (route, target, body) = exampleRequests[Int(first) % exampleRequests.count]
        let answer = web.answering(replies) { web.ask(route, target, Array(body.utf8)) }
        _ = web.takeFiles()
        expect((200...599).contains(answer.status), "\(answer.status) for \(target)")
        expect(answer.body.utf8.count <= 1 << 20, "\(answer.body.utf8.count) bytes for \(target)")
    }

    /// Checks the invariants of every response to a well-formed request.
    private static func check(_ answer: HTTPAnswerUnderFuzz, _ what: @autoclosure () -> String) {
        expect((200...599).contains(answer.status) && answer.status != 500, "\(answer.status) for \(what())")
        guard answer.status >= 400 else { return }
        struct Answer: Decodable {
            struct Fault: Decodable {
                var message: String
                var type: String
            }
            var error: Fault
        }
        guard let error = try? JSONDecoder().decode(Answer.self, from: Data(answer.body.utf8)).error else {
            fatalError("an error not in OpenAI's format: \(answer.body) for \(what())")
        }
        expect(!error.message.isEmpty && !error.type.isEmpty, "an error without a message: \(answer.body)")
        expect(answer.body.utf8.count < 5000, "an error of \(answer.body.utf8.count) bytes")
    }
}
