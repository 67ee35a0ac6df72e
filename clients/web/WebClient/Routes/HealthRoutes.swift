import HTTPTypes
import Hummingbird
import Interface
import NIOCore
import Varlink

/// `GET /health` and `GET /metrics`, for monitoring.
struct HealthRoutes {
    let client: ServiceClient
    let feed: EventFeed
    /// A service that takes longer to answer is reported as unavailable.
    let deadline: Duration

    private struct Health: Encodable {
        var status: String
        var version: String?
        var message: String?
    }

    func add(to router: some RouterMethods<BasicRequestContext>) {
        router.get("health") { _, _ in
            do {
                let status = try await status()
                return Response.json(Health(status: "ok", version: status.version))
            } catch {
                let message = APIError(error).message.clipped(to: APIError.messageLimit)
                return Response.json(
                    Health(status: "unavailable", message: message), status: .serviceUnavailable)
            }
        }
        router.get("metrics") { _, _ in
            let metrics = MetricsText(
                status: try? await status(), events: feed.counts, streams: feed.subscriberCount)
            return Response(
                status: .ok, headers: [.contentType: MetricsText.contentType],
                body: .init(byteBuffer: ByteBuffer(string: metrics.text)))
        }
    }

    private func status() async throws -> ManagerInterface.GetStatus.Reply {
        try await withDeadline(deadline) { try await client.call(ManagerInterface.GetStatus.self, .init()) }
    }
}
