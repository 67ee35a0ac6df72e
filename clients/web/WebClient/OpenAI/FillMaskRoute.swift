import Hummingbird
import Interface

/// `POST /v1/fill-mask`: `io.kantaibert.Inference.FillMask`; each mask's candidates have the fields of the Hugging Face
/// pipeline.
struct FillMaskRoute {
    let client: ServiceClient

    private struct Answer: Encodable {
        let object = "fill_mask"
        var model: String
        var masks: [[InferenceInterface.Filling]]
        var receipt: InferenceInterface.Receipt
    }

    func add(to router: some RouterMethods<BasicRequestContext>) {
        router.post("v1/fill-mask") { request, _ in
            var request = request
            let parameters = try await request.json(InferenceInterface.FillMask.Parameters.self)
            let reply = try await client.call(InferenceInterface.FillMask.self, parameters)
            return Response.json(
                Answer(model: reply.receipt.model, masks: reply.masks.map(\.fillings), receipt: reply.receipt))
        }
    }
}
