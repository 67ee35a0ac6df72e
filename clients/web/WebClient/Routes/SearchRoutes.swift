import Hummingbird
import Interface
import Varlink

/// `POST /v1/trace`, `/v1/find` and `/v1/similar`: call `io.kantaibert.Inference.Trace`, `Find` and `Similar`, with unmodified
/// replies.
struct SearchRoutes {
    /// The limits of the service.
    static let passageLimit = 20
    static let pageLimit = 1000
    static let similarLimit = 100

    let client: ServiceClient

    func trace(_ request: Request) async throws -> Response {
        try await answer(InferenceInterface.Trace.self, request) {
            try Self.check($0.passages, "passages", 0...Self.passageLimit)
        }
    }

    func find(_ request: Request) async throws -> Response {
        try await answer(InferenceInterface.Find.self, request) {
            try Self.check($0.limit, "limit", 1...Self.pageLimit)
        }
    }

    func similar(_ request: Request) async throws -> Response {
        try await answer(InferenceInterface.Similar.self, request) {
            try Self.check($0.limit, "limit", 1...Self.similarLimit)
        }
    }

    private func answer<M: VarlinkMethod>(
        _ method: M.Type, _ request: Request, _ check: (M.Parameters) throws -> Void
    ) async throws -> Response {
        var request = request
        let parameters = try await request.parameters(of: method)
        try check(parameters)
        do {
            // The search stops if the client hangs up.
            return try await request.body.consumeWithCancellationOnInboundClose { _ in
                .json(try await client.call(method, parameters), headers: [.connection: "close"])
            }
        } catch {
            var error = APIError(error)
            error.closes = true
            throw error
        }
    }

    private static func check(_ value: Int?, _ field: String, _ range: ClosedRange<Int>) throws(APIError) {
        guard let value, !range.contains(value) else { return }
        throw APIError(
            .badRequest, "‘\(field)’ must be from \(range.lowerBound) to \(range.upperBound), but is \(value)",
            param: field, code: "invalid_value")
    }
}
