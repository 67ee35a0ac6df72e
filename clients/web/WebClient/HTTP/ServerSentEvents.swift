import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// Frames of `text/event-stream`, as the HTML standard has them.
enum ServerSentEvents {
    /// - Parameter event: nil is `message`
    static func frame(event: String? = nil, _ value: some Encodable) throws -> ByteBuffer {
        // JSON on one line: it needs no splitting.
        var data = try JSONText.encode(value)
        var frame = ByteBuffer(string: event.map { "event: \($0)\ndata: " } ?? "data: ")
        frame.writeBuffer(&data)
        frame.writeString("\n\n")
        return frame
    }

    /// The word that ends OpenAI's streams.
    static let done = ByteBuffer(string: "data: [DONE]\n\n")
    /// Nothing, to see whether the client is still there.
    static let comment = ByteBuffer(string: ":\n\n")

    /// An answer that goes on until `body` ends or the client hangs up.
    static func response(
        _ body: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void, until requestBody: RequestBody
    ) -> Response {
        // When it has ended, the client's side has been read to the end too: there is no next request.
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
