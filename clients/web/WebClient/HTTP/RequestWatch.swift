import NIOCore
import NIOHTTP1
import Synchronization

/// Looks at the head of each request before it becomes one, and keeps account of what is under way on the connection.
///
/// Stands directly behind the HTTP decoder. A head with a fault goes on with `faultHeader`, which no client can send, so that
/// the refusal is an answer like any other, in its turn; the connection is closed behind it.
final class RequestWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    static let faultHeader = "kantaibert-fault"

    private let connections: OpenConnections
    private let unsent: UnsentBytes
    private var requests = 0
    private var answers = 0
    /// A head has come, and its request's end has not.
    private var isReceiving = false
    /// Nothing more is taken: the connection is closed for another, or behind a request that was refused.
    private var isOver = false

    init(connections: OpenConnections, unsent: UnsentBytes) {
        self.connections = connections
        self.unsent = unsent
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        let part = unwrapInboundIn(data)
        if case .end = part { isReceiving = false }
        let isOpen =
            if case .end = part {
                connections.receivedEnd(on: context.channel)
            } else {
                connections.received(on: context.channel)
            }
        guard isOpen else {
            isOver = true
            return
        }
        guard case .head(var head) = part else {
            context.fireChannelRead(data)
            return
        }
        requests += 1
        isReceiving = true
        head.headers.remove(name: Self.faultHeader)
        let fault = HeadFault(head)
        if let fault {
            head.headers.add(name: Self.faultHeader, value: fault.rawValue)
        } else if head.headers.contains(name: "expect"), requests == answers + 1 {
            // Between the parts of another answer it would be taken for one of them: a client that does not wait is served.
            context.writeAndFlush(
                wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
        }
        if fault != nil || !head.isKeepAlive { head.headers.replaceOrAdd(name: "connection", value: "close") }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Otherwise the body could be taken for a whole one.
        if isReceiving, event as? ChannelEvent == .inputClosed {
            isReceiving = false
            context.fireErrorCaught(HTTPParserError.invalidEOFState)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .body(let body):
            let bytes = body.readableBytes
            unsent.add(bytes)
            let sent = promise ?? context.eventLoop.makePromise()
            sent.futureResult.whenComplete { [unsent] _ in unsent.remove(bytes) }
            context.write(data, promise: sent)
        case .end:
            answers += 1
            connections.answered(on: context.channel)
            let sent = promise ?? context.eventLoop.makePromise()
            let channel = context.channel
            sent.futureResult.whenComplete { [connections] _ in connections.taken(on: channel) }
            context.write(data, promise: sent)
        case .head:
            context.write(data, promise: promise)
        }
    }
}

/// Bytes of answers that clients have not taken yet, of all connections together.
final class UnsentBytes: Sendable {
    private let count = Atomic(0)
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func add(_ bytes: Int) { count.add(bytes, ordering: .relaxed) }
    func remove(_ bytes: Int) { count.subtract(bytes, ordering: .relaxed) }

    /// Whether an answer of this size may be added. Small ones always may: the number of connections bounds them.
    func hasRoom(for bytes: Int) -> Bool {
        bytes <= 64 << 10 || count.load(ordering: .relaxed) + bytes <= limit
    }
}
