import Foundation
import Interface
import NIOCore
import Synchronization
import Testing
import Varlink
import WebClient

/// Hostile requests: each gets one clear error, and the next request is answered.
struct HostileRequestTests {
    private static let json = ["Content-Type": "application/json"]

    /// The first two used to crash the program.
    @Test(
        arguments: [
            (#"{"prompt":[],"stream":true}"#, "invalid_value", "prompt"),
            (#"{"prompt":["a","b"],"n":9223372036854775807}"#, "invalid_value", "n"),
            (#"{"prompt":[]}"#, "invalid_value", "prompt"), (#"{"prompt":null}"#, "invalid_type", "prompt"),
            (#"{"prompt":"a","n":0}"#, "invalid_value", "n"),
            (#"{"prompt":"a","n":-9223372036854775808}"#, "invalid_value", "n"),
            (#"{"prompt":"a","n":1e999}"#, "invalid_type", "n"),
            (#"{"prompt":["a",1]}"#, "invalid_type", "prompt"), (#"{"prompt":[[1],"a"]}"#, "invalid_type", "prompt"),
            (#"{"prompt":[[1],[]]}"#, "invalid_value", "prompt"), (#"{"prompt":[[]]}"#, "invalid_value", "prompt"),
            (#"{"prompt":[-1]}"#, "invalid_value", "prompt"), (#"{"prompt":[2147483648]}"#, "invalid_value", "prompt"),
            (#"{"prompt":[1.5]}"#, "invalid_type", "prompt"), (#"{"prompt":[1e999]}"#, "invalid_type", "prompt"),
            (#"{"prompt":[9223372036854775808]}"#, "invalid_type", "prompt"),
            (#"{"prompt":[[[1]]]}"#, "invalid_type", "prompt"),
            (#"{"prompt":[\#(String(repeating: "\"a\",", count: 2048))"a"]}"#, "invalid_value", "prompt"),
            (#"{"prompt":[\#(String(repeating: "\"a\",", count: 1500))"a"],"n":2}"#, "invalid_value", "n"),
            (#"{"prompt":"a","logprobs":21}"#, "invalid_value", "logprobs"),
            (#"{"prompt":"a","logprobs":-1}"#, "invalid_value", "logprobs"),
            (#"{"prompt":"a","logprobs":true}"#, "invalid_type", "logprobs"),
            (#"{"prompt":"a","echo":1}"#, "invalid_type", "echo"),
            (#"{"prompt":"a","best_of":3,"n":2}"#, "unsupported_parameter", "best_of"),
            (#"{"prompt":"a","max_tokens":-1}"#, "invalid_value", "max_tokens"),
            (#"{"prompt":"a","max_tokens":9223372036854775807}"#, "invalid_value", "max_tokens"),
            (#"{"prompt":"a","max_tokens":9223372036854775808}"#, "invalid_type", "max_tokens"),
            (#"{"prompt":"a","max_tokens":1e400}"#, "invalid_type", "max_tokens"),
            (#"{"prompt":"a","max_tokens":1.5}"#, "invalid_type", "max_tokens"),
            (#"{"prompt":"a","temperature":-1}"#, "invalid_value", "temperature"),
            (#"{"prompt":"a","temperature":1e999}"#, "invalid_type", "temperature"),
            (#"{"prompt":"a","temperature":"NaN"}"#, "invalid_type", "temperature"),
            (#"{"prompt":"a","top_k":-2}"#, "invalid_value", "top_k"),
            (#"{"prompt":"a","top_p":0}"#, "invalid_value", "top_p"),
            (#"{"prompt":"a","repetition_penalty":0}"#, "invalid_value", "repetition_penalty"),
            (#"{"prompt":"a","min_p":1.5}"#, "invalid_value", "min_p"),
            (#"{"prompt":"a","logit_bias":{"5":1}}"#, "unsupported_parameter", "logit_bias"),
            (#"{"prompt":"a","logit_bias":[1]}"#, "unsupported_parameter", "logit_bias"),
            (#"{"prompt":"a","p":1,"":2}"#, "unknown_field", ""),
            (#"{"prompt":"a","stop":["a",""]}"#, "invalid_value", "stop"),
            (#"{"prompt":"a","stop":[""]}"#, "invalid_value", "stop"),
            (#"{"prompt":"a","stop":[1]}"#, "invalid_type", "stop"),
            (#"{"prompt":"a","stop":[\#(String(repeating: "\"x\",", count: 16))"y"]}"#, "invalid_value", "stop"),
            (#"{"prompt":"\ud800"}"#, "invalid_type", "prompt"),
            (#"{"prompt":"a","seed":1e300}"#, "invalid_type", "seed"),
            (#"{"prompt":"a","p\u0072ompt":"b"}"#, "repeated_field", nil),
            (#"{"prompt":"a","prompt":"b"}"#, "repeated_field", nil),
            (#"{"prompt":"a","stream_options":{"include_usage":true,"include_usage":false}}"#, "repeated_field", nil),
            ("\u{FEFF}{}", "invalid_type", "prompt"), ("\u{FEFF}\u{FEFF}{}", "invalid_json", nil),
            ("{\"prompt\":\"a\u{0}\"}", "invalid_json", nil),
        ] as [(String, String, String?)])
    func invalidCompletionRequestsAreRejected(body: String, code: String, param: String?) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: body)
            #expect(answer.status == 400)
            let error = try answer.error()
            #expect(error.code == code)
            #expect(error.param == param)
            #expect(web.service.asked.isEmpty)
            #expect(try await web.post("/v1/completions", json: #"{"prompt": "I"}"#).status == 200)
        }
    }

    @Test(arguments: [
        (#"{"text":"a <mask>","top_k":0}"#, "top_k"), (#"{"text":"a <mask>","top_k":9223372036854775807}"#, "top_k"),
        (#"{"text":"a <mask>","targets":[]}"#, "targets"), (#"{"text":["a <mask>"]}"#, "text"),
        (#"{"text":"<mask> too long"}"#, "text"),
    ])
    func invalidFillMaskRequestsAreRejected(body: String, param: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/fill-mask", json: body)
            #expect(answer.status == 400)
            #expect(try answer.error().param == param)
        }
    }

    @Test(arguments: [
        ("/v1/completions", #"{"prompt":"a","temprature":1}"#, "temprature"),
        ("/v1/embeddings", #"{"input":"a","texts":[]}"#, "texts"),
        ("/v1/fill-mask", #"{"text":"a <mask>","topk":3}"#, "topk"),
        ("/api/train", #"{"model":"assistant","forced":true}"#, "forced"),
        ("/api/cancel", #"{"run":"assistant-4","at_once":true}"#, "at_once"),
        ("/api/promote", #"{"model":"assistant","generation":2,"force":true}"#, "force"),
    ])
    func refusesUnknownFields(path: String, body: String, field: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(path, json: body, headers: WebUnderTest.authorized)
            #expect(answer.status == 400)
            let error = try answer.error()
            #expect(error.code == "unknown_field" && error.param == field)
            #expect(web.service.asked.isEmpty && web.service.embeddings.isEmpty)
        }
    }

    @Test func answersToManyPromptsAreLimited() async throws {
        try await WebUnderTest.run { web in
            let prompts = Array(repeating: #""large""#, count: 12).joined(separator: ",")
            let answer = try await web.post("/v1/completions", json: #"{"prompt":[\#(prompts)]}"#)
            #expect(answer.status == 400)
            let error = try answer.error()
            #expect(error.code == "answer_too_large" && error.message.contains("32 MiB"))
            #expect(try await web.post("/v1/completions", json: #"{"prompt":["large"]}"#).status == 200)
        }
    }

    @Test func allRefusedFieldsAreListed() async throws {
        try await WebUnderTest.run { web in
            let body =
                #"{"prompt":"a","temprature":1,"top":2,"none":null,"suffix":"x","presence_penalty":1,"user":"me"}"#
            let answer = try await web.post("/v1/completions", json: body)
            #expect(answer.status == 400)
            #expect(
                try answer.error().message
                    == "‘temprature’, ‘top’ are not fields of this request; ‘presence_penalty’, ‘suffix’ are not supported"
            )
            let many = (0..<1000).map { #""field\#($0)":1"# }.joined(separator: ",")
            let error = try await web.post("/v1/completions", json: #"{"prompt":"a",\#(many)}"#).error()
            #expect(error.message.contains("and 990 more"))
        }
    }

    @Test(arguments: [
        (#"{"input":[]}"#, "invalid_value", "input"), (#"{"input":[1,2]}"#, "invalid_type", "input"),
        (#"{"input":[[1]]}"#, "invalid_type", "input"), (#"{"model":"assistant"}"#, "invalid_type", "input"),
        (#"{"input":null}"#, "invalid_type", "input"),
        (#"{"input":"a","encoding_format":"hex"}"#, "invalid_value", "encoding_format"),
        (#"{"input":"a","dimensions":3}"#, "invalid_value", "dimensions"),
        (#"{"input":["a","too long"]}"#, "context_length_exceeded", "input"),
        (#"{"input":[\#(String(repeating: "\"a\",", count: 2048))"a"]}"#, "invalid_value", "input"),
    ])
    func invalidEmbeddingRequestsAreRejected(body: String, code: String, param: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/embeddings", json: body)
            #expect(answer.status == 400)
            let error = try answer.error()
            #expect(error.code == code && error.param == param)
        }
    }

    @Test(arguments: ["[", "{\"a\":"]) func deeplyNestedJSONIsNotDecoded(opening: String) async throws {
        try await WebUnderTest.run { web in
            for (path, field) in [("/v1/completions", "prompt"), ("/v1/fill-mask", "text")] {
                let deep = "{\"\(field)\":" + String(repeating: opening, count: 100_000)
                let answer = try await web.post(path, json: deep)
                #expect(answer.status == 400)
                #expect(try answer.error().code == "invalid_json")
            }
            // Brackets inside a string do not count as nesting.
            let text = String(repeating: "[", count: 1000)
            #expect(try await web.post("/v1/completions", json: #"{"prompt":"\#(text)"}"#).status == 200)
        }
    }

    @Test(arguments: [[0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], Array("{\"prompt\":\"a\"}".data(using: .utf16)!)])
    func bodiesThatAreNotUTF8AreRejected(body: [UInt8]) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.request("POST", "/v1/completions", headers: Self.json, body)
            #expect(answer.status == 400)
            #expect(try answer.error().code == "invalid_json")
        }
    }

    /// PowerShell and some editors write them.
    @Test func byteOrderMarksAreSkippedAndUTF16IsNamed() async throws {
        try await WebUnderTest.run { web in
            let marked = try await web.post("/v1/completions", json: "\u{FEFF}{\"prompt\":\"I\"}")
            #expect(marked.status == 200)
            for encoding in [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian, .utf32] {
                let body = Array(try #require("{\"prompt\":\"I\"}".data(using: encoding)))
                let answer = try await web.request("POST", "/v1/completions", headers: Self.json, body)
                #expect(answer.status == 400)
                #expect(try answer.error().message.contains("UTF-16"))
            }
        }
    }

    /// The size of an error does not depend on the size of the request.
    @Test func errorsDoNotGrowWithTheRequest() async throws {
        try await WebUnderTest.run { web in
            let name = String(repeating: "k", count: 90_000)
            for answer in [
                try await web.post("/v1/completions", json: #"{"prompt":"a","\#(name)":"\ud800","n":"x"}"#),
                try await web.post("/v1/completions", json: #"{"prompt":"a","logit_bias":{"\#(name)":"x"}}"#),
                try await web.get("/v1/models/\(String(repeating: "m", count: 10_000))"),
                try await web.get("/api/runs?\(String(repeating: "m", count: 10_000))=%"),
                try await web.get("/api/runs", headers: ["Host": String(repeating: "h", count: 290)]),
            ] {
                #expect(answer.status >= 400)
                #expect(answer.body.utf8.count < 1000)
                _ = try answer.error()
            }
        }
    }

    @Test(arguments: [
        ("/api/runs?limit=-1", "invalid_value", "limit"), ("/api/runs?limit=1e3", "invalid_type", "limit"),
        ("/api/runs?limit=9223372036854775808", "invalid_type", "limit"),
        ("/api/runs?model=a&model=b", "repeated_parameter", "model"),
        ("/api/runs?model=a&%6dodel=b", "repeated_parameter", "model"),
        ("/api/runs?model=%ff", "invalid_query", "model"), ("/api/runs?model=%f", "invalid_query", "model"),
        ("/api/metrics?run=", "missing", "run"), ("/api/metrics?run=a&after_step=-9", "invalid_value", "after_step"),
        ("/api/generations", "missing", "model"),
    ])
    func invalidQueriesAreRejected(path: String, code: String, param: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.get(path)
            #expect(answer.status == 400)
            #expect(try answer.error().code == code)
            #expect(try answer.error().param == param)
        }
    }

    @Test(arguments: ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
    func everyRouteAnswersEveryMethod(method: String) async throws {
        try await WebUnderTest.run { web in
            for path in Route.all.flatMap(\.examples).map(\.target) {
                let answer = try await web.request(method, path)
                #expect((200..<500).contains(answer.status), "\(method) \(path)")
                #expect(method != "HEAD" || answer.body.isEmpty)
                #expect(method == "HEAD" || answer.status >= 400)
            }
            #expect(try await web.get("/health").status == 200)
        }
    }

    /// The response to HEAD has no events and does not count as a stream.
    @Test func headRequestsDoNotOpenStreams() async throws {
        try await WebUnderTest.run { web in
            let head = try await web.request("HEAD", "/api/events")
            #expect(head.status == 200)
            let metrics = try await web.get("/metrics")
            #expect(metrics.body.contains("kantaibert_web_event_streams 0\n"))
        }
    }

    @Test func unsupportedFieldsWithDefaultValuesAreAccepted() async throws {
        try await WebUnderTest.run { web in
            let headers = ["Range": "bytes=0-3", "Last-Event-ID": "\(UInt64.max)", "If-Range": "x", "Accept": ""]
            let answer = try await web.get("/static/app.js", headers: headers)
            #expect(answer.status == 200)
            #expect(answer.body.count > 100)
        }
    }
}

/// Request heads that two programs could interpret differently.
struct HeadTests {
    private static let body = #"{"prompt":"I"}"#

    private func answer(_ web: WebUnderTest, _ bytes: String) async throws -> HTTPAnswer {
        try await web.conversation { inbound, outbound in
            try await outbound.write(ByteBuffer(string: bytes))
            var all: [UInt8] = []
            for try await piece in inbound { all += piece.readableBytesView }
            return try HTTPAnswer(all)
        }
    }

    @Test(arguments: [
        ("Host: localhost\r\nHost: localhost", "invalid_host"),
        ("Host: localhost\r\nHost: evil.example", "invalid_host"),
        ("Host: localhost\r\nhOST:", "invalid_host"), ("Host: localhost, evil.example", "invalid_host"),
        ("Host: localhost@evil.example", "invalid_host"), ("Host: localhost/", "invalid_host"),
        ("Host:", "invalid_host"),
        ("X: y", "invalid_host"),
        ("Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example", "repeated_header"),
        ("Host: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b", "repeated_header"),
        ("Host: localhost\r\nContent-Type: text/plain\r\nContent-Type: application/json", "repeated_header"),
        ("Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", "repeated_header"),
    ])
    func repeatedHeadersAreRejected(headers: String, code: String) async throws {
        try await WebUnderTest.run { web in
            // The connection is closed after the error: the second request is not read.
            let answer = try await answer(
                web, "GET /api/status HTTP/1.1\r\n\(headers)\r\n\r\nGET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            #expect(answer.status == 400)
            #expect(answer.body.hasSuffix("}"))
            #expect(try answer.error().code == code)
        }
    }

    /// Only the server can set the internal header that marks a fault.
    @Test func clientsCannotSendTheFaultHeader() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.get("/health", headers: ["kantaibert-fault": "no_host"])
            #expect(answer.status == 200)
        }
    }

    @Test(arguments: [
        ("http://localhost/health", 200), ("HTTP://LOCALHOST/health", 200), ("http://evil.example/health", 400),
        ("http://localhost:81/health", 400), ("http://localhost@evil.example/health", 400),
        ("ftp://localhost/health", 400), ("health", 400), ("/health#a", 400), ("localhost:80", 400), ("*", 400),
        ("//evil.example/health", 404),
    ])
    func absoluteTargetsMustMatchTheHost(target: String, status: Int) async throws {
        try await WebUnderTest.run { web in
            let answer = try await answer(
                web, "GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(answer.status == status)
        }
    }

    /// Each could smuggle a second request past a proxy.
    @Test(arguments: [
        "Content-Length: 14\r\nContent-Length: 14", "Content-Length: 14\r\nContent-Length: 15",
        "Content-Length: 14, 14", "Content-Length: +14", "Content-Length: 99999999999999999999",
        "Content-Length: 14\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 14",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
    ])
    func ambiguousBodyLengthsAreRejected(headers: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await answer(
                web,
                "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(headers)\r\n\r\n"
                    + Self.body)
            #expect(answer.status == 400)
            #expect(web.service.asked.isEmpty)
        }
    }

    @Test func chunkedEncodedAndExpectedBodies() async throws {
        try await WebUnderTest.run { web in
            let head =
                "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            let chunked = try await answer(
                web,
                head
                    + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"pro\r\n9;x=y\r\nmpt\":\"I\"}\r\n0\r\nX-Trailer: y\r\n\r\n"
            )
            #expect(chunked.status == 200)
            let none = try await answer(web, head + "\r\n")
            #expect(none.status == 400)
            #expect(try none.error().code == "invalid_json")
            let coded = try await answer(web, head + "Content-Encoding: gzip\r\nContent-Length: 14\r\n\r\n" + Self.body)
            #expect(coded.status == 415)
            let expected = try await answer(web, head + "Expect: gold\r\nContent-Length: 14\r\n\r\n" + Self.body)
            #expect(expected.status == 417)
        }
    }

    /// A client that waits for `100 Continue` receives it, and then the response.
    @Test func expect100ContinueIsAnswered() async throws {
        try await WebUnderTest.run { web in
            try await web.conversation { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(
                        string: """
                            POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r
                            Expect: 100-continue\r\nContent-Length: 14\r\n\r\n
                            """))
                var text = ""
                for try await piece in inbound {
                    text += String(buffer: piece)
                    if text == "HTTP/1.1 100 Continue\r\n\r\n" {
                        try await outbound.write(ByteBuffer(string: Self.body))
                    } else if text.contains("text_completion") {
                        break
                    }
                }
                #expect(text.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))
            }
        }
    }

    /// Such a client understands neither chunks nor persistent connections, whatever its headers say.
    @Test(arguments: ["", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n"])
    func oldClientsGetPlainBodiesAndAClosedConnection(headers: String) async throws {
        try await WebUnderTest.run { web in
            let body = #"{"prompt":"I","stream":true}"#
            for request in [
                "POST /v1/completions HTTP/1.0\r\nHost: localhost\r\n\(headers)Content-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)",
                "GET /health HTTP/1.0\r\nHost: localhost\r\n\(headers)\r\n",
            ] {
                // Returns only once the server has closed the connection.
                let answer = try await answer(web, request)
                #expect(answer.status == 200)
                #expect(answer.headers["transfer-encoding"] == nil)
                #expect(answer.headers["connection"] == "close")
                #expect(answer.body.hasPrefix("{") || answer.body.hasPrefix("data: {"))
                #expect(answer.body.hasSuffix("}") || answer.body.hasSuffix("data: [DONE]\n\n"))
            }
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await WebUnderTest.run { web in
            let requests = (0..<20).map { "GET /v1/models/m\($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }.joined()
            try await web.conversation { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(string: requests + "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"))
                var text = ""
                // HTTP/1.0 closes.
                for try await piece in inbound { text += String(buffer: piece) }
                let answers = text.components(separatedBy: "HTTP/1.1 ").dropFirst()
                #expect(answers.count == 21)
                for (number, answer) in answers.dropLast().enumerated() { #expect(answer.contains("‘m\(number)’")) }
                #expect(answers.last?.hasPrefix("200") == true)
            }
        }
    }
}
