import HTTPTypes
import Hummingbird
import Interface
import NIOCore
import OpenMetrics
import Varlink

/// `GET /health` and `GET /metrics`, for monitoring.
struct HealthRoutes {
    private let client: ServiceClient
    private let feed: EventFeed
    /// A service that takes longer to answer is reported as unavailable.
    private let deadline: Duration

    private struct Health: Encodable {
        var status: String
        var version: String?
        var message: String?
    }

    init(_ services: RouteServices) {
        client = services.client
        feed = services.feed
        deadline = services.healthDeadline
    }

    func health() async -> Response {
        do {
            return .json(Health(status: "ok", version: try await status().version))
        } catch {
            let message = APIError(error).message.clipped(to: APIError.messageLimit)
            return .json(Health(status: "unavailable", message: message), status: .serviceUnavailable)
        }
    }

    func metrics() async -> Response {
        let metrics = Self.metrics(status: try? await status(), events: feed.counts, streams: feed.subscriberCount)
        return Response(
            status: .ok, headers: [.contentType: OpenMetricsText.contentType],
            body: .init(byteBuffer: ByteBuffer(string: metrics.text)))
    }

    /// The state of the service and of this program.
    /// - Parameters:
    ///   - status: nil if the service does not answer
    ///   - events: the number of events by kind, since this program was started
    private static func metrics(
        status: ManagerInterface.GetStatus.Reply?, events: [String: Int], streams: Int
    ) -> OpenMetricsText {
        var metrics = OpenMetricsText()
        metrics.add("up", help: "Whether the service answers.", [.init(status == nil ? 0 : 1)])
        metrics.add("web_event_streams", help: "Open connections to /api/events.", [.init(Double(streams))])
        metrics.add(
            "events", .counter, help: "Events since kantaibert-web was started.",
            events.sorted { $0.key < $1.key }.map { .init(Double($0.value), [("kind", $0.key)]) })
        if let status { metrics.add(status) }
        return metrics
    }

    private func status() async throws -> ManagerInterface.GetStatus.Reply {
        try await withDeadline(deadline) { try await client.call(ManagerInterface.GetStatus.self, .init()) }
    }
}
