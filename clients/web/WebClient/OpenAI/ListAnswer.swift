import HTTPTypes
import Hummingbird
import NIOCore

/// An answer with one element for each of many prompts, of which each is encoded as soon as it is known, so that only
/// the JSON text is held.
struct ListAnswer {
    /// Maximum bytes of an answer.
    static let limit = 32 << 20

    private let field: String
    private let held = BodyBytes.answers.begin()
    private var elements: [Int: ByteBuffer] = [:]
    private var bytes = 0

    /// - Parameter field: the name of the list, which precedes all other fields alphabetically
    init(field: String) { self.field = field }

    /// - Parameter index: the place of the element in the list
    /// - Throws: `APIError` if the answer, or all answers together, would be too large
    mutating func add(_ element: some Encodable, index: Int) throws {
        try add(encoded: JSONBody.encode(element), index: index)
    }

    mutating func add(encoded element: ByteBuffer, index: Int) throws {
        bytes += element.readableBytes
        guard bytes <= Self.limit else {
            throw APIError(
                .badRequest,
                "the answer would have more than \(Self.limit >> 20) MiB; ask for fewer prompts or fewer logprobs at a time",
                code: "answer_too_large")
        }
        guard held.grow(to: bytes) else {
            throw APIError(
                .serviceUnavailable, .unavailable, "too many large answers are being sent; try again later",
                code: "overloaded", retryAfterMs: 1000)
        }
        elements[index] = element
    }

    /// - Parameter rest: an object with the other fields
    func response(with rest: some Encodable, headers: HTTPFields = [:]) throws -> Response {
        var body = ByteBuffer()
        body.reserveCapacity(bytes + elements.count + 1024)
        body.writeString("{\"\(field)\":[")
        for (number, element) in elements.sorted(by: { $0.key < $1.key }).enumerated() {
            if number > 0 { body.writeString(",") }
            body.writeImmutableBuffer(element.value)
        }
        let others = try JSONBody.encode(rest)
        body.writeString("],")
        // Without the brace that opens the object.
        body.writeImmutableBuffer(others.getSlice(at: others.readerIndex + 1, length: others.readableBytes - 1)!)
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: body))
    }
}
