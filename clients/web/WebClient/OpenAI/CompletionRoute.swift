import FoundationEssentials
import Hummingbird
import Interface
import NIOCore

/// `POST /v1/completions`: calls `io.kantaibert.Inference.Generate` in the format of OpenAI's API.
struct CompletionRoute {
    /// Maximum number of concurrent calls of a request. The service limits those of all users together.
    private static let concurrentCalls = 16

    let client: ServiceClient

    func complete(_ request: Request) async throws -> Response {
        var request = request
        let asked = try await request.json(CompletionRequest.self)
        let blank = Completion(
            id: "cmpl-\(Self.identifier())", created: Int(Date().timeIntervalSince1970), model: asked.model ?? "",
            choices: [])
        return asked.isStream
            ? try await stream(asked, asked.calls, blank, request) : try await whole(asked, asked.calls, blank, request)
    }

    private func whole(
        _ asked: CompletionRequest, _ calls: [InferenceInterface.Generate.Parameters], _ blank: Completion,
        _ request: Request
    ) async throws -> Response {
        var whole = Whole(asked, blank)
        do {
            // Generation stops if the client hangs up. Detecting that requires reading the connection to its end.
            whole = try await request.body.consumeWithCancellationOnInboundClose { [whole] _ in
                var whole = whole
                try await replies(asked, calls) { try whole.add($1, index: $0) }
                return whole
            }
            return try whole.response()
        } catch {
            var error = APIError(error)
            error.closes = true
            throw error
        }
    }

    /// Makes the calls, a few at a time.
    /// - Parameter each: called with the index of each call and its reply, in any order
    private func replies(
        _ asked: CompletionRequest, _ calls: [InferenceInterface.Generate.Parameters],
        _ each: (Int, InferenceInterface.Generate.Reply) throws -> Void
    ) async throws {
        let client = client
        try await withThrowingTaskGroup(of: (Int, InferenceInterface.Generate.Reply).self) { group in
            for (index, call) in calls.enumerated() {
                if index >= Self.concurrentCalls, let (index, reply) = try await group.next() { try each(index, reply) }
                group.addTask {
                    do {
                        return (index, try await client.call(InferenceInterface.Generate.self, call))
                    } catch {
                        throw Self.error(error, asked, index: index)
                    }
                }
            }
            for try await (index, reply) in group { try each(index, reply) }
        }
    }

    /// Names the field of this API that an error of the service is about, its range, and which of several prompts.
    private static func error(_ error: any Error, _ asked: CompletionRequest, index: Int) -> any Error {
        guard !(error is CancellationError) else { return error }
        var error = APIError(error).naming(["ids": CompletionRequest.CodingKeys.prompt.rawValue])
        if error.code == "invalid_value", let key = error.param.flatMap({ CompletionRequest.CodingKeys(rawValue: $0) })
        {
            error.message += ", which must be \(key.range)"
        }
        if asked.prompts.count > 1, error.param == CompletionRequest.CodingKeys.prompt.rawValue {
            error.message += " (prompt \(index / asked.n + 1) of \(asked.prompts.count))"
        }
        return error
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
        let beginning: InferenceInterface.Generate.Reply
        do {
            guard let reply = try await iterator.next() else { throw CancellationError() }
            beginning = reply
        } catch {
            throw Self.error(error, asked, index: 0)
        }
        return ServerSentEvents.response(
            { writer in
                var usage = Completion.Usage()
                // Only the first piece names the model.
                var blank = blank
                func send(_ reply: InferenceInterface.Generate.Reply, index: Int) async throws {
                    blank.take(reply)
                    var piece = blank
                    piece.choices = [Completion.Choice(reply, index: index)]
                    try await writer.write(try ServerSentEvents.frame(piece))
                    usage.add(reply, countsPrompt: index % asked.n == 0)
                }
                var current = 0
                do {
                    try await send(beginning, index: 0)
                    for try await reply in first { try await send(reply, index: 0) }
                    for (index, call) in calls.enumerated().dropFirst() {
                        current = index
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
                    let error = APIError(Self.error(error, asked, index: current))
                    try await writer.write(try ServerSentEvents.frame(error))
                }
                try await writer.write(ServerSentEvents.done)
            }, until: request.body)
    }

    static func identifier() -> String {
        UUID().uuidString.filter { $0 != "-" }.lowercased()
    }

    /// An answer that is not streamed.
    private struct Whole: Sendable {
        private let asked: CompletionRequest
        private var completion: Completion
        private var list = ListAnswer(field: "choices")
        private var usage = Completion.Usage()

        init(_ asked: CompletionRequest, _ blank: Completion) {
            self.asked = asked
            completion = blank
        }

        mutating func add(_ reply: InferenceInterface.Generate.Reply, index: Int) throws {
            completion.take(reply)
            try list.add(Completion.Choice(reply, index: index), index: index)
            usage.add(reply, countsPrompt: index % asked.n == 0)
        }

        func response() throws -> Response {
            var completion = completion
            completion.choices = nil
            completion.usage = usage
            return try list.response(with: completion, headers: [.connection: "close"])
        }
    }
}

extension Completion {
    /// Adds what a reply says about the model.
    fileprivate mutating func take(_ reply: InferenceInterface.Generate.Reply) {
        if let name = reply.receipt?.model ?? reply.model { model = name }
        systemFingerprint = reply.receipt?.fingerprint ?? systemFingerprint
    }
}

extension Completion.Choice {
    fileprivate init(_ reply: InferenceInterface.Generate.Reply, index: Int) {
        self.init(
            text: reply.text, index: index, logprobs: reply.tokens.map(Completion.Logprobs.init),
            finishReason: reply.finishReason.map(Completion.FinishReason.init), receipt: reply.receipt)
    }
}
