import Foundation
import NIOCore
import NIOPosix
import Testing
import WebClient

/// An HTTP response, parsed by an independent implementation of RFC 9112.
struct HTTPAnswer: Sendable {
    var status: Int
    /// Header names in lower case.
    var headers: [String: String]
    var body: String
    /// The bytes after the head, as they were received.
    var bytes: [UInt8]

    func json() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any], "\(body)")
    }

    /// The `code`, `param` and message of an error in OpenAI's format.
    func error() throws -> (code: String?, param: String?, message: String) {
        let error = try #require(try json()["error"] as? [String: Any])
        #expect(error.keys.sorted() == ["code", "message", "param", "type"])
        return (error["code"] as? String, error["param"] as? String, try #require(error["message"] as? String))
    }

    init(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let end = try #require(text.range(of: "\r\n\r\n"), "no head: \(text)")
        var lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        status = try #require(Int(lines.removeFirst().split(separator: " ")[1]))
        headers = [:]
        for line in lines {
            let colon = try #require(line.firstIndex(of: ":"))
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        let head = text[..<end.upperBound].utf8.count
        self.bytes = Array(bytes[head...])
        body =
            headers["transfer-encoding"] == "chunked"
            ? try Self.dechunked(Array(bytes[head...])) : String(decoding: bytes[head...], as: UTF8.self)
    }

    private static func dechunked(_ bytes: [UInt8]) throws -> String {
        var rest = bytes[...]
        var whole: [UInt8] = []
        while true {
            let end = try #require(rest.firstIndex(of: 13), "a chunk without a size")
            let size = try #require(Int(String(decoding: rest[rest.startIndex..<end], as: UTF8.self), radix: 16))
            if size == 0 { return String(decoding: whole, as: UTF8.self) }
            whole += rest[(end + 2)..<(end + 2 + size)]
            rest = rest[(end + 2 + size + 2)...]
        }
    }
}

extension WebUnderTest {
    /// Sends and receives raw bytes.
    func conversation<Result>(
        _ body: (
            _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        ) async throws -> Result
    ) async throws -> Result {
        let channel =
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            } as NIOAsyncChannel<ByteBuffer, ByteBuffer>
        return try await channel.executeThenClose { try await body($0, $1) }
    }

    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], _ body: [UInt8] = []
    ) async throws -> HTTPAnswer {
        var fields = ["Host": "127.0.0.1:\(port)", "Connection": "close", "Content-Length": "\(body.count)"]
        fields.merge(headers) { $1 }
        let head = "\(method) \(path) HTTP/1.1\r\n" + fields.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
        return try await conversation { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: Array(head.utf8) + body))
            var bytes: [UInt8] = []
            for try await piece in inbound { bytes += piece.readableBytesView }
            return try HTTPAnswer(bytes)
        }
    }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
        try await request("GET", path, headers: headers)
    }

    func post(_ path: String, json: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
        try await request(
            "POST", path, headers: ["Content-Type": "application/json"].merging(headers) { $1 }, Array(json.utf8))
    }

    static var authorized: [String: String] { ["Authorization": "Bearer \(token.text)"] }
}

/// Reads the frames of a stream of server-sent events.
func frames(
    _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ take: (String) throws -> Bool
) async throws {
    var text = ""
    for try await piece in inbound {
        text += String(buffer: piece)
        while let end = text.range(of: "\n\n") {
            let frame = String(text[..<end.lowerBound])
            text = String(text[end.upperBound...])
            if try take(frame) { return }
        }
    }
    Issue.record("the stream has ended")
}
