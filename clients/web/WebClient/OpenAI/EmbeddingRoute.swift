import FoundationEssentials
import Hummingbird
import Interface
import NIOCore
import Varlink

/// The body of `POST /v1/embeddings`, with OpenAI's fields.
struct EmbeddingRequest: Decodable, Sendable {
    /// Maximum number of texts.
    static let inputLimit = 2048

    enum EncodingFormat: String, Decodable { case float, base64 }

    var model: String?
    var inputs: [String]
    var format: EncodingFormat
    /// Accepted if it is the size of the model's embeddings.
    var dimensions: Int?

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case model, input, dimensions
        case encodingFormat = "encoding_format"
    }

    init(from decoder: any Decoder) throws {
        try RequestFields(of: decoder).check(
            known: CodingKeys.allCases.map(\.rawValue), neutral: [:], ignored: ["user"])
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        model = try fields.decodeIfPresent(String.self, forKey: .model)
        dimensions = try fields.decodeIfPresent(Int.self, forKey: .dimensions)
        let format = try fields.decodeIfPresent(String.self, forKey: .encodingFormat) ?? EncodingFormat.float.rawValue
        guard let format = EncodingFormat(rawValue: format) else {
            throw APIError(
                .badRequest, "‘encoding_format’ must be float or base64", param: CodingKeys.encodingFormat.rawValue,
                code: "invalid_value")
        }
        self.format = format
        inputs = try Self.inputs(fields)
    }

    private static func inputs(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> [String] {
        let name = CodingKeys.input.rawValue
        if let text = try? fields.decode(String.self, forKey: .input) { return [text] }
        guard let texts = try? fields.decode([String].self, forKey: .input) else {
            throw APIError(
                .badRequest,
                "‘input’ must be a text or a list of texts; token ids are not accepted, because those of another model "
                    + "mean other words",
                param: name, code: "invalid_type")
        }
        guard (1...inputLimit).contains(texts.count) else {
            throw APIError(
                .badRequest, "‘input’ must have 1 to \(inputLimit) texts, but has \(texts.count)", param: name,
                code: "invalid_value")
        }
        return texts
    }
}

/// `POST /v1/embeddings`: calls `io.kantaibert.Inference.Embed` in the format of OpenAI's API.
struct EmbeddingRoute {
    /// Number of texts per call, so that the size of a reply is bounded.
    private static let textsPerCall = 64

    let client: ServiceClient

    private struct Rest: Encodable {
        struct Usage: Encodable {
            var promptTokens = 0

            private enum CodingKeys: String, CodingKey {
                case promptTokens = "prompt_tokens"
                case totalTokens = "total_tokens"
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(promptTokens, forKey: .promptTokens)
                try container.encode(promptTokens, forKey: .totalTokens)
            }
        }

        var model: String
        let object = "list"
        var receipt: InferenceInterface.Provenance
        var usage: Usage
    }

    func embed(_ request: Request) async throws -> Response {
        var request = request
        let asked = try await request.json(EmbeddingRequest.self)
        do {
            // As for completions: the calls stop if the client hangs up.
            return try await request.body.consumeWithCancellationOnInboundClose { _ in try await answer(asked) }
        } catch {
            var error = APIError(error)
            error.closes = true
            throw error
        }
    }

    private func answer(_ asked: EmbeddingRequest) async throws -> Response {
        var list = ListAnswer(field: "data")
        var usage = Rest.Usage()
        var receipt: InferenceInterface.Provenance?
        for start in stride(from: 0, to: asked.inputs.count, by: Self.textsPerCall) {
            let texts = Array(asked.inputs[start..<min(start + Self.textsPerCall, asked.inputs.count)])
            let reply = try await reply(.init(texts: texts, model: asked.model))
            guard reply.embeddings.count == texts.count else {
                throw VarlinkClientError.malformedReply(
                    reason: "\(reply.embeddings.count) embeddings of \(texts.count) texts")
            }
            guard receipt == nil || receipt == reply.receipt else {
                throw APIError(
                    .serviceUnavailable, .unavailable, "a new generation of the model began to serve; try again",
                    code: "model_changed", retryAfterMs: 1000)
            }
            receipt = reply.receipt
            for (index, embedding) in reply.embeddings.enumerated() {
                let element = try Self.element(embedding.embedding, index: start + index, asked)
                try list.add(encoded: element, index: start + index)
                let (sum, isTooLarge) = usage.promptTokens.addingReportingOverflow(max(0, embedding.tokens))
                usage.promptTokens = isTooLarge ? .max : sum
            }
        }
        guard let receipt else { throw VarlinkClientError.malformedReply(reason: "no embeddings") }
        return try list.response(
            with: Rest(model: receipt.model, receipt: receipt, usage: usage), headers: [.connection: "close"])
    }

    private func reply(
        _ parameters: InferenceInterface.Embed.Parameters
    ) async throws -> InferenceInterface.Embed.Reply {
        do {
            return try await client.call(InferenceInterface.Embed.self, parameters)
        } catch let error where !(error is CancellationError) {
            throw APIError(error).naming(["texts": "input", "prompt": "input"])
        }
    }

    /// Writes the numbers itself: `JSONEncoder` takes much memory for each.
    private static func element(_ numbers: [Double], index: Int, _ asked: EmbeddingRequest) throws -> ByteBuffer {
        guard (asked.dimensions ?? numbers.count) == numbers.count else {
            throw APIError(
                .badRequest, "‘dimensions’ must be \(numbers.count), the size of this model's embeddings",
                param: "dimensions", code: "invalid_value")
        }
        let floats = numbers.map { Float($0) }
        guard floats.allSatisfy(\.isFinite) else {
            throw VarlinkClientError.malformedReply(reason: "an embedding with a number that is not finite")
        }
        var element = ByteBuffer()
        element.writeString("{\"embedding\":")
        switch asked.format {
        case .float:
            element.writeString("[")
            for (place, float) in floats.enumerated() { element.writeString(place == 0 ? "\(float)" : ",\(float)") }
            element.writeString("]")
        case .base64:
            var bytes = Data(capacity: 4 * floats.count)
            for float in floats { withUnsafeBytes(of: float.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
            element.writeString("\"\(bytes.base64EncodedString())\"")
        }
        element.writeString(",\"index\":\(index),\"object\":\"embedding\"}")
        return element
    }
}
