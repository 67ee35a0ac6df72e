import FoundationEssentials
import HTTPTypes
import Hummingbird
import Interface
import NIOCore

/// `POST /v1/chat/completions`: calls `io.kantaibert.Inference.Chat` in the format of OpenAI's API.
struct ChatRoute {
    let client: ServiceClient

    func complete(_ request: Request) async throws -> Response {
        var request = request
        let asked = try await request.json(ChatRequest.self)
        let blank = ChatCompletion(
            id: "chatcmpl-\(CompletionRoute.identifier())",
            object: asked.isStream ? "chat.completion.chunk" : "chat.completion",
            created: Int(Date().timeIntervalSince1970), model: asked.model ?? "")
        return asked.isStream ? try await stream(asked, blank, request) : try await whole(asked, blank, request)
    }

    private func whole(_ asked: ChatRequest, _ blank: ChatCompletion, _ request: Request) async throws -> Response {
        let client = client
        var completion = blank
        var usage = Completion.Usage()
        do {
            // Generation stops if the client hangs up. Detecting that requires reading the connection to its end.
            let replies = try await request.body.consumeWithCancellationOnInboundClose { _ in
                try await withThrowingTaskGroup(of: (Int, InferenceInterface.Chat.Reply).self) { group in
                    for (index, call) in asked.calls.enumerated() {
                        group.addTask { (index, try await client.call(InferenceInterface.Chat.self, call)) }
                    }
                    return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
            }
            for (index, reply) in replies.sorted(by: { $0.key < $1.key }) {
                completion.take(reply)
                completion.choices.append(
                    .init(reply, index: index, .init(role: "assistant", content: reply.text, isWhole: true)))
                usage.add(prompt: index == 0 ? reply.promptTokens : nil, completion: reply.generatedTokens)
            }
        } catch {
            var error = APIError(error).naming(Self.fields)
            error.closes = true
            throw error
        }
        completion.usage = usage
        let headers: HTTPFields = [.contentType: "application/json", .connection: "close"]
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: try JSONBody.encode(completion)))
    }

    /// Streams the replies one after another, each piece as it is generated.
    private func stream(_ asked: ChatRequest, _ blank: ChatCompletion, _ request: Request) async throws -> Response {
        let client = client
        let calls = asked.calls
        let first = client.replies(InferenceInterface.Chat.self, calls[0])
        // An invalid request fails with the first reply, while the response status can still be set.
        var iterator = first.makeAsyncIterator()
        let beginning: InferenceInterface.Chat.Reply
        do {
            guard let reply = try await iterator.next() else { throw CancellationError() }
            beginning = reply
        } catch {
            throw APIError(error).naming(Self.fields)
        }
        return ServerSentEvents.response(
            { writer in
                var usage = Completion.Usage()
                // Only the first piece names the model.
                var blank = blank
                func send(_ choice: ChatCompletion.Choice) async throws {
                    var piece = blank
                    piece.choices = [choice]
                    try await writer.write(try ServerSentEvents.frame(piece))
                }
                func begin(_ index: Int) async throws {
                    try await send(
                        .init(index: index, message: .init(role: "assistant", content: "", isWhole: false)))
                }
                func send(_ reply: InferenceInterface.Chat.Reply, _ index: Int) async throws {
                    blank.take(reply)
                    let text = reply.finishReason != nil && reply.text.isEmpty ? nil : reply.text
                    try await send(.init(reply, index: index, .init(content: text, isWhole: false)))
                    usage.add(prompt: index == 0 ? reply.promptTokens : nil, completion: reply.generatedTokens)
                }
                do {
                    blank.take(beginning)
                    try await begin(0)
                    try await send(beginning, 0)
                    for try await reply in first { try await send(reply, 0) }
                    for (index, call) in calls.enumerated().dropFirst() {
                        try await begin(index)
                        try await client.callMore(InferenceInterface.Chat.self, call) { try await send($0, index) }
                    }
                    if asked.includesUsage {
                        var last = blank
                        last.usage = usage
                        try await writer.write(try ServerSentEvents.frame(last))
                    }
                } catch let error where !(error is CancellationError || error is ChannelError) {
                    try await writer.write(try ServerSentEvents.frame(APIError(error).naming(Self.fields)))
                }
                try await writer.write(ServerSentEvents.done)
            }, until: request.body)
    }

    /// The fields of this API that errors of the service are about.
    private static let fields = ["prompt": "messages"]
}

extension ChatCompletion {
    /// Adds what a reply says about the model.
    fileprivate mutating func take(_ reply: InferenceInterface.Chat.Reply) {
        if let name = reply.receipt?.model ?? reply.model { model = name }
        systemFingerprint = reply.receipt?.fingerprint ?? systemFingerprint
    }
}

extension ChatCompletion.Choice {
    fileprivate init(_ reply: InferenceInterface.Chat.Reply, index: Int, _ message: ChatCompletion.Message) {
        self.init(
            index: index, message: message, logprobs: reply.tokens.map(ChatCompletion.Logprobs.init),
            finishReason: reply.finishReason.map(Completion.FinishReason.init), receipt: reply.receipt,
            omittedMessages: (reply.omittedMessages ?? 0) > 0 ? reply.omittedMessages : nil)
    }
}
