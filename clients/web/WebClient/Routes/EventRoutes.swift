import Hummingbird

/// `GET /api/events`: the service's events as server-sent events `hello`, `service`, `event` and `steps`.
struct EventRoutes {
    let feed: EventFeed

    func add(to router: some RouterMethods<BasicRequestContext>) {
        router.get("api/events") { request, _ in
            let frames = try feed.subscribe()
            return ServerSentEvents.response(
                { writer in for await frame in frames { try await writer.write(frame) } }, until: request.body)
        }
    }
}
