import Foundation
import Interface
import NIOCore
import Testing

/// Checks `POST /v1/chat/completions` against OpenAI's documentation, and the calls that reach the service.
struct ChatTests {
    @Test func repliesToMessages() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/chat/completions",
                json: #"""
                    {"model": "assistant", "max_completion_tokens": 5, "temperature": 0.5, "seed": 11, "tools": [],
                     "response_format": {"type": "text"}, "messages": [
                        {"role": "developer", "content": "Be kind."},
                        {"role": "user", "content": [{"type": "text", "text": "Where"}, {"type": "text", "text": "is it?"}]}]}
                    """#)
            #expect(answer.status == 200)
            let json = try answer.json()
            #expect(json["object"] as? String == "chat.completion")
            #expect((json["id"] as? String)?.hasPrefix("chatcmpl-") == true)
            #expect(json["model"] as? String == "assistant")
            #expect(json["system_fingerprint"] as? String == "assistant-3-0123456789ab")
            let choice = try #require((json["choices"] as? [[String: Any]])?.first)
            let message = try #require(choice["message"] as? [String: Any])
            #expect(message["role"] as? String == "assistant" && message["content"] as? String == "Over there.")
            #expect(message["refusal"] is NSNull && choice["logprobs"] is NSNull)
            #expect(choice["finish_reason"] as? String == "stop" && choice["omitted_messages"] == nil)
            let usage = try #require(json["usage"] as? [String: Int])
            #expect(usage == ["prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12])
            #expect(
                web.service.chats == [
                    .init(
                        messages: [
                            .init(role: .system, content: "Be kind."), .init(role: .user, content: "Where\nis it?"),
                        ], model: "assistant", sampling: .init(maxNewTokens: 5, temperature: 0.5, seed: 11))
                ])
        }
    }

    @Test func streamsPieces() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/chat/completions",
                json: #"""
                    {"messages": [{"role": "user", "content": "Where?"}], "stream": true, "n": 2,
                     "stream_options": {"include_usage": true}}
                    """#)
            #expect(answer.headers["content-type"] == "text/event-stream")
            let lines = answer.body.split(separator: "\n\n").map { $0.dropFirst("data: ".count) }
            #expect(lines.last == "[DONE]")
            let chunks = try lines.dropLast().map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            #expect(chunks.allSatisfy { $0["object"] as? String == "chat.completion.chunk" })
            #expect(chunks.allSatisfy { $0["model"] as? String == "assistant" })
            for index in 0..<2 {
                let choices = chunks.compactMap { ($0["choices"] as? [[String: Any]])?.first }
                    .filter { $0["index"] as? Int == index }
                let deltas = choices.compactMap { $0["delta"] as? [String: Any] }
                #expect(deltas.first?["role"] as? String == "assistant")
                #expect(deltas.compactMap { $0["content"] as? String }.joined() == "Over there.")
                #expect(choices.last?["finish_reason"] as? String == "stop" && deltas.last?["content"] == nil)
            }
            let usage = try #require(chunks.last?["usage"] as? [String: Int])
            #expect(usage["completion_tokens"] == 6 && (chunks.last?["choices"] as? [Any])?.isEmpty == true)
        }
    }

    @Test func logProbabilitiesHaveOpenAIsForm() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post(
                "/v1/chat/completions",
                json: #"{"messages": [{"role": "user", "content": "Where?"}], "logprobs": true, "top_logprobs": 2}"#)
            let choice = try #require((try answer.json()["choices"] as? [[String: Any]])?.first)
            let tokens = try #require((choice["logprobs"] as? [String: Any])?["content"] as? [[String: Any]])
            #expect(tokens[0]["token"] as? String == "Over" && tokens[0]["logprob"] as? Double == -0.5)
            #expect(tokens[0]["bytes"] as? [Int] == [79, 118, 101, 114])
            #expect((tokens[0]["top_logprobs"] as? [[String: Any]])?.count == 2)
            #expect(tokens[1]["bytes"] is NSNull && tokens[1]["logprob"] as? Double == -9999)
        }
    }

    @Test func messagesThatWereLeftOutAreCounted() async throws {
        try await WebUnderTest.run { web in
            let turn = #"{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}"#
            let answer = try await web.post(
                "/v1/chat/completions",
                json: #"{"messages": [\#(turn), \#(turn), \#(turn), {"role": "user", "content": "c"}]}"#)
            let choice = try #require((try answer.json()["choices"] as? [[String: Any]])?.first)
            #expect(choice["omitted_messages"] as? Int == 2)
        }
    }

    @Test(
        arguments: [
            (#"{}"#, 400, "invalid_value", "messages"),
            (#"{"messages": []}"#, 400, "invalid_value", "messages"),
            (#"{"messages": [{"role": "assistant", "content": "a"}]}"#, 400, "invalid_value", "messages"),
            (#"{"messages": [{"role": "tool", "content": "a"}]}"#, 400, "invalid_value", "messages"),
            (#"{"messages": [{"role": "user", "content": 7}]}"#, 400, "invalid_value", "messages"),
            (#"{"messages": [{"role": "user", "content": "a"}], "n": 17}"#, 400, "invalid_value", "n"),
            (
                #"{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}"#, 400, "invalid_value",
                "top_logprobs"
            ),
            (#"{"messages": [{"role": "user", "content": "a"}], "max_tokens": 0}"#, 400, "invalid_value", "max_tokens"),
            (#"{"messages": [{"role": "user", "content": "a"}], "temprature": 1}"#, 400, "unknown_field", "temprature"),
            (
                #"{"messages": [{"role": "user", "content": "a"}], "tools": [{}]}"#, 400, "unsupported_parameter",
                "tools"
            ),
            (#"{"messages": [{"role": "user", "content": "a"}], "model": "loose"}"#, 400, "wrong_model", "model"),
            (
                #"{"messages": [{"role": "user", "content": "a"}], "model": "loose", "stream": true}"#, 400,
                "wrong_model",
                "model"
            ),
            (
                #"{"messages": [{"role": "user", "content": "too long"}]}"#, 400, "context_length_exceeded", "messages"
            ),
        ] as [(String, Int, String, String)])
    func invalidRequestsNameTheField(body: String, status: Int, code: String, field: String) async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/chat/completions", json: body)
            let error = try answer.error()
            #expect(answer.status == status && error.code == code && error.param == field, "\(body): \(answer.body)")
        }
    }
}
