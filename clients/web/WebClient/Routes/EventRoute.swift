import Hummingbird

/// `GET /api/events`: the service's events as server-sent events `hello`, `service`, `event` and `steps`.
struct EventRoute {
    let feed: EventFeed

    func stream(_ request: Request) throws -> Response {
        let frames = try feed.subscribe()
        return ServerSentEvents.response(
            { writer in for await frame in frames { try await writer.write(frame) } }, until: request.body)
    }
}
