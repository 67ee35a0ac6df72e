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
            // Also those that precede the receipt.
            #expect(pieces.allSatisfy { $0["model"] as? String == "assistant" })
            let choices = pieces.compactMap { ($0["choices"] as? [[String: Any]])?.first }
            #expect(choices.map { $0["text"] as? String } == [" the\n", "usér", ""])
            #expect(choices.map { $0["finish_reason"] as? String } == [nil, nil, "stop"])
            #expect((choices.last?["receipt"] as? [String: Any])?["seed"] as? Int == 7)
            #expect((pieces.last?["choices"] as? [Any])?.isEmpty == true)
            #expect((pieces.last?["usage"] as? [String: Int])?["total_tokens"] == 6)
        }
    }

    /// What clients send for options that are off.
    @Test(arguments: [
        #""logprobs": false"#, #""logprobs": null"#, #""suffix": """#, #""top_k": -1"#, #""max_tokens": 0"#,
        #""echo": false"#,
        #""user": "me", "store": false, "metadata": {"a": "b"}, "service_tier": "auto""#, #""best_of": 1"#,
        #""best_of": 2, "n": 2"#, #""presence_penalty": 0, "frequency_penalty": 0.0"#, #""logit_bias": {}"#,
        #""logit_bias": null, "unheard_of": null"#, #""stop": null"#, #""stop": []"#, #""stream_options": null"#,
        #""stream_options": {"include_usage": false}"#, #""temperature": null"#,
        #""ignore_eos": false, "min_tokens": 0"#,
    ])
    func optionsThatAskForNothingAreAccepted(fields: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt": "I", \#(fields)}"#)
            #expect(answer.status == 200, "\(answer.body)")
            for asked in web.service.asked {
                #expect(asked.logprobs == nil && asked.echo == nil)
                #expect((asked.sampling?.topK ?? 0) == 0 && (asked.sampling?.maxNewTokens ?? 0) == 0)
            }
        }
    }

    /// LangChain's `batch()` sends 20 prompts at a time.
    @Test(arguments: [20, 2048]) func completesManyPrompts(count: Int) async throws {
        try await WebUnderTest.run { web in
            let prompts = (0..<count).map { $0 == 9 ? "long" : "p\($0)" }
            let body = String(decoding: try JSONEncoder().encode(["prompt": prompts]), as: UTF8.self)
            let answer = try await web.post("/v1/completions", json: body)
            #expect(answer.status == 200, "\(answer.body.prefix(500))")
            let choices = try #require(try answer.json()["choices"] as? [[String: Any]])
            #expect(choices.map { $0["index"] as? Int } == Array(0..<count))
            #expect(choices.firstIndex { $0["finish_reason"] as? String == "length" } == 9)
            #expect((try answer.json()["usage"] as? [String: Int])?["prompt_tokens"] == 4 * count)
            #expect(web.service.asked.map(\.prompt).sorted() == prompts.sorted())
        }
    }

    @Test func anErrorNamesThePrompt() async throws {
        try await WebUnderTest.run { web in
            let error = try await web.post("/v1/completions", json: #"{"prompt": ["a", "b", "too long"]}"#).error()
            #expect(error.message == "the text has 600 tokens; the model takes at most 512 (prompt 3 of 3)")
        }
    }

    @Test(arguments: [
        (#""top_p": 2"#, "‘top_p’ must be above 0 and at most 1, but is 2.0"),
        (#""n": 17"#, "‘n’ must be from 1 to 16, but is 17"),
        (#""max_tokens": -3"#, "‘max_tokens’ must be 0 (only the prompt is scored) or more, but is -3"),
        (#""min_p": 0.75"#, "the service rejected the value of ‘min_p’, which must be from 0 to 1"),
    ])
    func errorsOfARangeGiveIt(fields: String, message: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt": "I", \#(fields)}"#)
            #expect(try answer.error().message == message)
        }
    }

    /// The request of `lm_eval --model local-completions`, whose parser reads these fields.
    @Test func scoresPromptsOfTokenIDs() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/completions",
                json: #"""
                    {"model": "assistant", "prompt": [[5, 6], [5, 6]], "temperature": 0, "max_tokens": 1, "logprobs": 1,
                     "seed": 1234, "echo": true}
                    """#)
            #expect(answer.status == 200, "\(answer.body)")
            let choices = try #require(try answer.json()["choices"] as? [[String: Any]])
            #expect(choices.count == 2)
            for choice in choices {
                let logprobs = try #require(choice["logprobs"] as? [String: [Any]])
                #expect(logprobs.keys.sorted() == ["text_offset", "token_logprobs", "tokens", "top_logprobs"])
                #expect(logprobs["tokens"] as? [String] == ["I", " am", " likely0", #"bytes:\xc3"#])
                #expect(logprobs["text_offset"] as? [Int] == [0, 1, 4, 12])
                let own = try #require(logprobs["token_logprobs"])
                #expect(own[0] is NSNull && own.dropFirst().compactMap { $0 as? Double } == [-0.5, -0.25, -1.5])
                // The likely tokens and the token itself, whose probability is not larger.
                let top = try #require(logprobs["top_logprobs"])
                #expect(top[0] is NSNull)
                #expect(top[1] as? [String: Double] == [" likely0": -0.25, " am": -0.5])
                #expect(top[2] as? [String: Double] == [" likely0": -0.25])
            }
            #expect(web.service.asked.allSatisfy { $0.prompt.isEmpty && $0.ids == [5, 6] && $0.echo == true })
            #expect(web.service.asked.allSatisfy { $0.logprobs == 1 && $0.sampling?.maxNewTokens == 1 })
        }
    }

    @Test func aStreamHasTheProbabilitiesInItsLastPiece() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/completions", json: #"{"prompt": "I", "stream": true, "logprobs": 0}"#)
            let pieces = answer.body.components(separatedBy: "\n\n").filter { $0.contains("choices") }
            #expect(pieces.count == 3)
            #expect(pieces.dropLast().allSatisfy { $0.contains(#""logprobs":null"#) })
            #expect(pieces.last?.contains(#""token_logprobs":[-0.25,-1.5]"#) == true)
            #expect(pieces.last?.contains(#""top_logprobs":[{" likely0":-0.25}"#) == true)
        }
    }

    @Test func embedsTexts() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/embeddings", json: #"{"input": ["ab", "c"], "model": "assistant"}"#)
            #expect(answer.status == 200, "\(answer.body)")
            let json = try answer.json()
            #expect(json["object"] as? String == "list" && json["model"] as? String == "assistant")
            #expect((json["usage"] as? [String: Int]) == ["prompt_tokens": 7, "total_tokens": 7])
            let data = try #require(json["data"] as? [[String: Any]])
            #expect(data.map { $0["index"] as? Int } == [0, 1])
            let numbers = try #require(data[0]["embedding"] as? [Double])
            #expect(numbers.map { Float($0) } == [0.1, -2e-9])
            let coded = try await web.post("/v1/embeddings", json: #"{"input": "a", "encoding_format": "base64"}"#)
                .json()
            // By `python3 -c 'import base64, struct; print(base64.b64encode(struct.pack("<2f", 0.1, -2e-9)))'`.
            #expect((coded["data"] as? [[String: Any]])?[0]["embedding"] as? String == "zczMPV9wCbE=")
        }
    }

    @Test func manyTextsAreEmbeddedInParts() async throws {
        try await WebUnderTest.run { web in
            let texts = (0..<150).map { String(repeating: "x", count: $0) }
            let body = String(decoding: try JSONEncoder().encode(["input": texts]), as: UTF8.self)
            let answer = try await web.post("/v1/embeddings", json: body)
            #expect(answer.status == 200)
            let data = try #require(try answer.json()["data"] as? [[String: Any]])
            #expect(data.map { $0["index"] as? Int } == Array(0..<150))
            #expect(web.service.embeddings.map(\.texts.count) == [64, 64, 22])
            #expect(web.service.embeddings.flatMap(\.texts) == texts)
        }
    }

    @Test(arguments: [
        (#"{"prompt": "I", "model": "none"}"#, 404, "model_not_found", "model"),
        (#"{"prompt": "I", "model": "none", "stream": true}"#, 404, "model_not_found", "model"),
        (#"{"prompt": "I", "model": "untrained"}"#, 503, "model_not_ready", "model"),
        (#"{"prompt": "I", "model": "busy"}"#, 429, "overloaded", nil),
        (#"{"prompt": "I", "model": "masked"}"#, 400, "wrong_model", "model"),
        (#"{"prompt": "I", "top_p": 2}"#, 400, "invalid_value", "top_p"),
        (#"{"prompt": "I", "min_p": 0.75}"#, 400, "invalid_value", "min_p"),
        (#"{"prompt": "too long"}"#, 400, "context_length_exceeded", "prompt"),
        (#"{"prompt": [7, 9]}"#, 400, "invalid_value", "prompt"),
        (#"{"prompt": [7, 9], "stream": true}"#, 400, "invalid_value", "prompt"),
        (#"{"prompt": "I", "suffix": "x"}"#, 400, "unsupported_parameter", "suffix"),
        (#"{"prompt": "I", "presence_penalty": 0.5}"#, 400, "unsupported_parameter", "presence_penalty"),
        (#"{"prompt": "I", "n": 17}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "I", "max_tokens": "5"}"#, 400, "invalid_type", "max_tokens"),
        (#"{"prompt": "I", "max_tokens": 5.5}"#, 400, "invalid_type", "max_tokens"),
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
