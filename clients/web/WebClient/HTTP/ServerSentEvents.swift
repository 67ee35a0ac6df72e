import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// Encodes frames of `text/event-stream` as defined by the HTML standard.
enum ServerSentEvents {
    /// - Parameter event: the event type; nil is `message`
    static func frame(event: String? = nil, _ value: some Encodable) throws -> ByteBuffer {
        // The JSON is a single line and need not be split.
        var data = try JSONBody.encode(value)
        var frame = ByteBuffer(string: event.map { "event: \($0)\ndata: " } ?? "data: ")
        frame.writeBuffer(&data)
        frame.writeString("\n\n")
        return frame
    }

    /// The last frame of OpenAI's streams.
    static let done = ByteBuffer(string: "data: [DONE]\n\n")
    /// An empty comment, sent to detect closed connections.
    static let comment = ByteBuffer(string: ":\n\n")

    /// Creates a response that continues until `body` ends or the client hangs up.
    static func response(
        _ body: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void, until requestBody: RequestBody
    ) -> Response {
        // Detecting a hang-up reads the connection to its end, so there is no next request.
        let headers: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-store", .connection: "close",
        ]
        return Response(
            status: .ok, headers: headers,
            body: .init { writer in
                try await requestBody.consumeWithCancellationOnInboundClose { _ in
                    try await body(&writer)
                }
                try await writer.finish(nil)
            })
    }
}
