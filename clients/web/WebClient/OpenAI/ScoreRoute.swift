import Hummingbird
import Interface

/// `POST /v1/score`: calls `io.kantaibert.Inference.Score`.
struct ScoreRoute {
    let client: ServiceClient

    private struct Answer: Encodable {
        let object = "score"
        var model: String
        var logLikelihood: Double
        var tokens: Int
        var bitsPerByte: Double
        var tokenScores: [InferenceInterface.ScoredToken]?
        var receipt: InferenceInterface.Provenance

        private enum CodingKeys: String, CodingKey {
            case object, model, tokens, receipt
            case logLikelihood = "log_likelihood"
            case bitsPerByte = "bits_per_byte"
            case tokenScores = "token_scores"
        }
    }

    func score(_ request: Request) async throws -> Response {
        var request = request
        let parameters = try await request.parameters(of: InferenceInterface.Score.self)
        let reply: InferenceInterface.Score.Reply
        do {
            reply = try await client.call(InferenceInterface.Score.self, parameters)
        } catch let error where !(error is CancellationError) {
            throw APIError(error).naming(["prompt": "text"])
        }
        return Response.json(
            Answer(
                model: reply.receipt.model, logLikelihood: reply.logLikelihood, tokens: reply.tokens,
                bitsPerByte: reply.bitsPerByte, tokenScores: reply.tokenScores, receipt: reply.receipt))
    }
}
