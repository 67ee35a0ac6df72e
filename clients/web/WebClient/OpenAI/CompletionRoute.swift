import FoundationEssentials
import Hummingbird
import Interface
import NIOCore

/// `POST /v1/completions`: calls `io.kantaibert.Inference.Generate` in the format of OpenAI's API.
struct CompletionRoute {
    let client: ServiceClient

    func complete(_ request: Request) async throws -> Response {
        var request = request
        let asked = try await request.json(CompletionRequest.self)
        let calls = asked.calls
        let blank = Completion(
            id: "cmpl-\(Self.identifier())", created: Int(Date().timeIntervalSince1970), model: asked.model ?? "",
            choices: [])
        return asked.isStream
            ? try await stream(asked, calls, blank, request) : try await whole(asked, calls, blank, request)
    }

    private func whole(
        _ asked: CompletionRequest, _ calls: [InferenceInterface.Generate.Parameters], _ blank: Completion,
        _ request: Request
    ) async throws -> Response {
        let client = client
        let replies: [Int: InferenceInterface.Generate.Reply]
        do {
            // Generation stops if the client hangs up. Detecting that requires reading the connection to its end.
            replies = try await request.body.consumeWithCancellationOnInboundClose { _ in
                try await withThrowingTaskGroup(of: (Int, InferenceInterface.Generate.Reply).self) { group in
                    for (index, call) in calls.enumerated() {
                        group.addTask { (index, try await client.call(InferenceInterface.Generate.self, call)) }
                    }
                    return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
                }
            }
        } catch {
            var error = APIError(error)
            error.closes = true
            throw error
        }
        var completion = blank
        var usage = Completion.Usage()
        for (index, reply) in replies.sorted(by: { $0.key < $1.key }) {
            completion.add(reply.text, reply, index: index)
            usage.add(reply, countsPrompt: index % asked.n == 0)
        }
        completion.usage = usage
        return .json(completion, headers: [.connection: "close"])
    }

    /// Streams the completions one after another, each piece as it is generated.
    private func stream(
        _ asked: CompletionRequest, _ calls: [InferenceInterface.Generate.Parameters], _ blank: Completion,
        _ request: Request
    ) async throws -> Response {
        let client = client
        let first = client.replies(InferenceInterface.Generate.self, calls[0])
        // An invalid request fails with the first reply, while the response status can still be set.
        var iterator = first.makeAsyncIterator()
        guard let beginning = try await iterator.next() else { throw CancellationError() }
        return ServerSentEvents.response(
            { writer in
                var usage = Completion.Usage()
                func send(_ reply: InferenceInterface.Generate.Reply, index: Int) async throws {
                    var piece = blank
                    piece.add(reply.text, reply, index: index)
                    try await writer.write(try ServerSentEvents.frame(piece))
                    usage.add(reply, countsPrompt: index % asked.n == 0)
                }
                do {
                    try await send(beginning, index: 0)
                    for try await reply in first { try await send(reply, index: 0) }
                    for (index, call) in calls.enumerated().dropFirst() {
                        try await client.callMore(InferenceInterface.Generate.self, call) {
                            try await send($0, index: index)
                        }
                    }
                    if asked.includesUsage {
                        var last = blank
                        last.usage = usage
                        try await writer.write(try ServerSentEvents.frame(last))
                    }
                } catch let error where !(error is CancellationError || error is ChannelError) {
                    try await writer.write(try ServerSentEvents.frame(APIError(error)))
                }
                try await writer.write(ServerSentEvents.done)
            }, until: request.body)
    }

    private static func identifier() -> String {
        UUID().uuidString.filter { $0 != "-" }.lowercased()
    }
}

extension Completion {
    fileprivate mutating func add(_ text: String, _ reply: InferenceInterface.Generate.Reply, index: Int) {
        choices.append(
            .init(
                text: text, index: index, finishReason: reply.finishReason.map(FinishReason.init),
                receipt: reply.receipt))
        if let receipt = reply.receipt {
            model = receipt.model
            systemFingerprint = "\(receipt.model)-\(receipt.generation)-\(receipt.modelSha256.prefix(12))"
        }
    }
}
