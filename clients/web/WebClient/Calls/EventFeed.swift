import FoundationEssentials
import HTTPTypes
import Interface
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Varlink

/// Distributes the service's events from one subscription to every open page.
///
/// Each frame is encoded once. Training steps, up to a hundred per second for a small model, are sent in batches four
/// times a second.
public final class EventFeed: Service {
    /// The state of the service as sent to the page.
    struct ServiceState: Encodable, Sendable, Equatable {
        var up: Bool
        var version: String?
        /// Why the service is down, as a message for users.
        var message: String?
    }

    /// The first frame of a new subscriber.
    private struct InitialSnapshot: Encodable {
        var service: ServiceState
        var recent: [ManagerInterface.Event]
    }

    private struct State {
        var service = ServiceState(up: false, message: "not connected yet")
        /// Recent events other than steps, oldest first, with their encoded sizes.
        var recent: [ManagerInterface.Event] = []
        var recentBytes: [Int] = []
        var steps: [ManagerInterface.Event] = []
        var counts: [String: Int] = [:]
        var subscribers: [Int: AsyncStream<ByteBuffer>.Continuation] = [:]
        var next = 0
        var isFinished = false
    }

    private static let recentLimit = 100
    /// Maximum total size of these, as encoded. The latest is kept regardless of its size.
    private static let recentBytesLimit = 1 << 20
    /// Maximum encoded size of one event.
    private static let eventLimit = 256 << 10
    /// Event kinds that are counted separately. A service of another version may send others.
    private static let kindLimit = 200
    /// Steps that have not been sent yet.
    private static let stepLimit = 10_000
    /// Maximum number of frames queued for one subscriber. A client with more has not read for minutes and must
    /// reconnect.
    private static let frameLimit = 256
    private static let stepInterval = Duration.milliseconds(250)
    private static let heartbeat = Duration.seconds(15)

    private let client: ServiceClient
    private let subscriberLimit: Int
    private let logger: Logger
    private let state = Mutex(State())
    /// Signals that there are steps to send.
    private let stepsWait = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    public init(client: ServiceClient, subscriberLimit: Int = 256, logger: Logger) {
        self.client = client
        self.subscriberLimit = subscriberLimit
        self.logger = logger
    }

    var service: ServiceState { state.withLock { $0.service } }
    /// Number of events since this process started, by kind.
    var counts: [String: Int] { state.withLock { $0.counts } }
    var subscriberCount: Int { state.withLock { $0.subscribers.count } }

    /// Returns a stream of frames, the initial snapshot first. It ends if the reader is too slow or the program stops.
    ///
    /// If there are too many subscribers, the oldest stream is ended to admit the new one. Its page reconnects.
    func subscribe() throws -> AsyncStream<ByteBuffer> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: ByteBuffer.self, bufferingPolicy: .bufferingOldest(Self.frameLimit))
        let displaced = try state.withLock { state -> AsyncStream<ByteBuffer>.Continuation? in
            guard !state.isFinished else {
                continuation.finish()
                return nil
            }
            var displaced: AsyncStream<ByteBuffer>.Continuation?
            if state.subscribers.count >= subscriberLimit, let oldest = state.subscribers.keys.min() {
                displaced = state.subscribers.removeValue(forKey: oldest)
            }
            let id = state.next
            state.next += 1
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
            }
            let snapshot = InitialSnapshot(service: state.service, recent: state.recent)
            continuation.yield(try ServerSentEvents.frame(event: "hello", snapshot))
            state.subscribers[id] = continuation
            return displaced
        }
        displaced?.finish()
        return stream
    }

    /// Ends all streams.
    func finish() {
        let subscribers = state.withLock { state in
            state.isFinished = true
            return Array(state.subscribers.values)
        }
        for subscriber in subscribers { subscriber.finish() }
    }

    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.watch() }
                group.addTask { try await self.sendSteps() }
                group.addTask {
                    while true {
                        try await Task.sleep(for: Self.heartbeat)
                        self.send(ServerSentEvents.comment)
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        finish()
    }

    /// Watches the service and reconnects when it becomes available again.
    private func watch() async throws {
        var wait = Duration.milliseconds(200)
        while true {
            do {
                let status = try await client.call(ManagerInterface.GetStatus.self, .init())
                set(ServiceState(up: true, version: status.version))
                wait = .milliseconds(200)
                try await client.watch(ManagerInterface.Watch.self, .init(), replyBytes: Self.eventLimit) {
                    take($0.event)
                }
                throw VarlinkClientError.closed
            } catch {
                try Task.checkCancellation()
                set(ServiceState(up: false, message: APIError(error).message.clipped(to: APIError.messageLimit)))
            }
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .seconds(2))
        }
    }

    private func set(_ service: ServiceState) {
        let (changed, wasUp) = state.withLock { state in
            defer { state.service = service }
            return (state.service != service, state.service.up)
        }
        guard changed else { return }
        if service.up != wasUp {
            logger.notice(
                service.up ? "connected to the service" : "the service is not available: \(service.message ?? "")")
        }
        if let frame = try? ServerSentEvents.frame(event: "service", service) { send(frame) }
    }

    private func take(_ event: ManagerInterface.Event) {
        let isStep = event.kind == "step"
        let frame = isStep ? nil : try? ServerSentEvents.frame(event: "event", event)
        state.withLock { state in
            let kind =
                state.counts[event.kind] != nil || state.counts.count < Self.kindLimit
                ? event.kind.clipped(to: 100) : "other"
            state.counts[kind, default: 0] += 1
            if isStep {
                state.steps.append(event)
                if state.steps.count > Self.stepLimit { state.steps.removeFirst() }
            } else if let frame {
                state.recent.append(event)
                state.recentBytes.append(frame.readableBytes)
                var bytes = state.recentBytes.reduce(0, +)
                while state.recent.count > Self.recentLimit || bytes > Self.recentBytesLimit && state.recent.count > 1 {
                    state.recent.removeFirst()
                    bytes -= state.recentBytes.removeFirst()
                }
            }
        }
        if isStep {
            stepsWait.continuation.yield()
        } else {
            // Preserves the order: steps collected so far are sent before the event that follows them.
            flushSteps()
            if let frame { send(frame) }
        }
    }

    private func sendSteps() async throws {
        for await _ in stepsWait.stream {
            flushSteps()
            try await Task.sleep(for: Self.stepInterval)
        }
    }

    private func flushSteps() {
        let steps = state.withLock { state in
            defer { state.steps.removeAll() }
            return state.steps
        }
        guard !steps.isEmpty, let frame = try? ServerSentEvents.frame(event: "steps", steps) else { return }
        send(frame)
    }

    private func send(_ frame: ByteBuffer) {
        let subscribers = state.withLock { Array($0.subscribers.values) }
        for subscriber in subscribers {
            if case .dropped = subscriber.yield(frame) { subscriber.finish() }
        }
    }
}
