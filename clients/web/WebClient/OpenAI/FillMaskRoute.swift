import Hummingbird
import Interface

/// `POST /v1/fill-mask`: calls `io.kantaibert.Inference.FillMask`. Candidates have the fields of Hugging Face's
/// fill-mask pipeline.
struct FillMaskRoute {
    /// Maximum number of candidates per mask, and of target words.
    static let topKLimit = 1000
    static let targetLimit = 1000

    let client: ServiceClient

    private struct Answer: Encodable {
        let object = "fill_mask"
        var model: String
        var masks: [[InferenceInterface.Filling]]
        var windowTokens: Int?
        var receipt: InferenceInterface.Provenance

        private enum CodingKeys: String, CodingKey {
            case object, model, masks, receipt
            case windowTokens = "window_tokens"
        }
    }

    func fill(_ request: Request) async throws -> Response {
        var request = request
        let parameters = try await request.parameters(of: InferenceInterface.FillMask.self)
        guard (1...Self.topKLimit).contains(parameters.topK ?? 1) else {
            throw APIError(
                .badRequest, "‘top_k’ must be from 1 to \(Self.topKLimit), but is \(parameters.topK ?? 1)",
                param: "top_k", code: "invalid_value")
        }
        guard (1...Self.targetLimit).contains(parameters.targets?.count ?? 1) else {
            throw APIError(
                .badRequest,
                "‘targets’ must contain 1 to \(Self.targetLimit) words, but has \(parameters.targets?.count ?? 0)",
                param: "targets",
                code: "invalid_value")
        }
        let reply: InferenceInterface.FillMask.Reply
        do {
            reply = try await client.call(InferenceInterface.FillMask.self, parameters)
        } catch let error where !(error is CancellationError) {
            throw APIError(error).naming(["prompt": "text"])
        }
        return Response.json(
            Answer(
                model: reply.receipt.model, masks: reply.masks.map(\.fillings), windowTokens: reply.windowTokens,
                receipt: reply.receipt))
    }
}
