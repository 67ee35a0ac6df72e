import Foundation
import Interface
import NIOCore
import Testing

/// Checks `POST /v1/completions` against OpenAI's documentation, and the calls that reach the service.
struct CompletionTests {
    @Test func completesAPrompt() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/completions",
                json: #"""
                    {"model": "assistant", "prompt": "I would <b>", "max_tokens": 5, "temperature": 0.5, "top_p": 0.9,
                     "stop": "end", "seed": 11, "top_k": 3, "user": "me", "logprobs": null}
                    """#)
            #expect(answer.status == 200)
            let json = try answer.json()
            #expect(json["object"] as? String == "text_completion")
            #expect((json["id"] as? String)?.hasPrefix("cmpl-") == true)
            #expect(json["model"] as? String == "assistant")
            #expect(json["system_fingerprint"] as? String == "assistant-3-0123456789ab")
            let choices = try #require(json["choices"] as? [[String: Any]])
            #expect(choices.count == 1)
            #expect(choices[0]["text"] as? String == " the\nusér")
            #expect(choices[0]["finish_reason"] as? String == "stop")
            #expect(choices[0]["logprobs"] is NSNull)
            let usage = try #require(json["usage"] as? [String: Int])
            #expect(usage == ["prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6])
            #expect(
                web.service.asked == [
                    .init(
                        prompt: "I would <b>", model: "assistant",
                        sampling: .init(
                            maxNewTokens: 5, temperature: 0.5, topK: 3, topP: 0.9, stop: ["end"], seed: 11))
                ])
        }
    }

    @Test func omittedParametersAreLeftToTheService() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt": "long", "model": null}"#)
            #expect(answer.status == 200)
            #expect(web.service.asked == [.init(prompt: "long")])
        }
    }

    @Test func choicesKeepTheirOrder() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt": ["a", "long"], "n": 2, "seed": 5}"#)
            let choices = try #require(try answer.json()["choices"] as? [[String: Any]])
            #expect(choices.map { $0["index"] as? Int } == [0, 1, 2, 3])
            #expect(choices.map { $0["finish_reason"] as? String } == ["stop", "stop", "length", "length"])
            // The tokens of a prompt are counted once.
            let usage = try #require(try answer.json()["usage"] as? [String: Int])
            #expect(usage == ["prompt_tokens": 8, "completion_tokens": 8, "total_tokens": 16])
            let asked = web.service.asked.map { "\($0.prompt) \($0.sampling!.seed!)" }
            #expect(asked.sorted() == ["a 5", "a 6", "long 5", "long 6"])
        }
    }

    @Test func streamEndsWithUsageAndDone() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/completions",
                json: #"{"prompt": "I", "stream": true, "stream_options": {"include_usage": true}}"#)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "text/event-stream")
            var data = answer.body.components(separatedBy: "\n\n").filter { !$0.isEmpty }
            #expect(data.allSatisfy { $0.hasPrefix("data: ") && !$0.contains("\n") })
            #expect(data.removeLast() == "data: [DONE]")
            let pieces = try data.map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.dropFirst(6).utf8)) as? [String: Any])
            }
            #expect(Set(pieces.map { $0["id"] as? String }).count == 1)
            let choices = pieces.compactMap { ($0["choices"] as? [[String: Any]])?.first }
            #expect(choices.map { $0["text"] as? String } == [" the\n", "usér", ""])
            #expect(choices.map { $0["finish_reason"] as? String } == [nil, nil, "stop"])
            #expect((choices.last?["receipt"] as? [String: Any])?["seed"] as? Int == 7)
            #expect((pieces.last?["choices"] as? [Any])?.isEmpty == true)
            #expect((pieces.last?["usage"] as? [String: Int])?["total_tokens"] == 6)
        }
    }

    @Test(arguments: [
        (#"{"prompt": "I", "model": "none"}"#, 404, "model_not_found", "model"),
        (#"{"prompt": "I", "model": "none", "stream": true}"#, 404, "model_not_found", "model"),
        (#"{"prompt": "I", "model": "untrained"}"#, 503, "model_not_ready", "model"),
        (#"{"prompt": "I", "model": "busy"}"#, 429, "overloaded", nil),
        (#"{"prompt": "I", "model": "masked"}"#, 400, "wrong_model", "model"),
        (#"{"prompt": "I", "top_p": 2}"#, 400, "invalid_value", "top_p"),
        (#"{"prompt": "I", "echo": true}"#, 400, "unsupported_parameter", "echo"),
        (#"{"prompt": "I", "presence_penalty": 0.5}"#, 400, "unsupported_parameter", "presence_penalty"),
        (#"{"prompt": "I", "n": 17}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "I", "max_tokens": "5"}"#, 400, "invalid_type", "max_tokens"),
        (#"{"prompt": "I", "max_tokens": 5.5}"#, 400, "invalid_type", "max_tokens"),
        (#"{"prompt": [1, 2]}"#, 400, "invalid_type", "prompt"),
        (#"{"model": "assistant"}"#, 400, "invalid_type", "prompt"),
        (#"["prompt"]"#, 400, "invalid_json", nil),
        (#"{"prompt": "I""#, 400, "invalid_json", nil),
        ("", 400, "invalid_json", nil),
        (#"{"prompt": "I"}, "more": {}"#, 400, "invalid_json", nil),
    ])
    func invalidRequestsNameTheField(body: String, status: Int, code: String, param: String?) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: body)
            #expect(answer.status == status)
            let error = try answer.error()
            #expect(error.code == code)
            #expect(error.param == param)
            if status == 429 {
                #expect(answer.headers["retry-after"] == "2")
                #expect(answer.headers["retry-after-ms"] == "1500")
            }
        }
    }

    /// Detecting a hang-up reads the connection to its end, so it cannot accept further requests.
    @Test(arguments: ["assistant", "none"]) func announcesThatTheConnectionCloses(model: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/completions", json: #"{"prompt": "I", "model": "\#(model)"}"#,
                headers: ["Connection": "keep-alive"])
            #expect(answer.headers["connection"] == "close")
        }
    }

    @Test func reportsThatTheServiceIsNotAvailable() async throws {
        try await WebUnderTest.run(service: false) { web in
            let requests = [
                ("/v1/completions", #"{"prompt": "I"}"#), ("/v1/fill-mask", #"{"text": "a <mask>"}"#),
            ]
            for (path, body) in requests {
                let answer = try await web.post(path, json: body)
                #expect(answer.status == 503)
                #expect(try answer.error().message.contains(web.socket))
            }
            #expect(try await web.get("/health").status == 503)
            #expect(try await web.get("/metrics").body.contains("kantaibert_up 0\n"))
        }
    }

    @Test func filledMasksCarryTheWindow() async throws {
        try await WebUnderTest.run { web in
            let near = try await web.post("/v1/fill-mask", json: #"{"text": "a <mask>"}"#)
            #expect(near.status == 200 && !near.body.contains("window_tokens"))
            let far = try await web.post("/v1/fill-mask", json: #"{"text": "far away, a <mask>"}"#)
            #expect(far.status == 200 && far.body.contains(#""window_tokens":12"#))
        }
    }

    @Test(arguments: [true, false]) func hangingUpCancelsGeneration(stream: Bool) async throws {
        try await WebUnderTest.run { web in
            let body = #"{"prompt": "for ever", "stream": \#(stream)}"#
            try await web.conversation { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(
                        string: """
                            POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r
                            Content-Length: \(body.utf8.count)\r\n\r\n\(body)
                            """))
                if stream {
                    for try await piece in inbound where String(buffer: piece).contains("and") { break }
                } else {
                    while web.service.asked.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
                }
            }
            var cancelled = web.service.cancelled.stream.makeAsyncIterator()
            #expect(await cancelled.next() != nil)
        }
    }
}
