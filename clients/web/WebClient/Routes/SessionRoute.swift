import HTTPTypes
import Hummingbird

/// Tells the page what the token or key that was entered may do, and lets the browser remember it.
struct SessionRoute {
    private struct Reply: Encodable {
        /// The name of the key; null for the token.
        var name: String?
        var mayChange: Bool

        private enum CodingKeys: String, CodingKey {
            case name
            case mayChange = "may_change"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(mayChange, forKey: .mayChange)
        }
    }

    let access: AccessControl

    func open(_ request: Request) throws -> Response {
        guard let sender = access.sender(of: request, acceptsCookie: false), sender.mayChange || sender.name != nil
        else {
            throw APIError(
                .unauthorized, .authentication,
                access.keys == nil ? "the token is wrong" : "this is neither the token nor a key",
                code: "invalid_token")
        }
        return .json(
            Reply(name: sender.name, mayChange: sender.mayChange), headers: access.remembering(request))
    }
}
