import NIOCore
import NIOHTTP1
import Synchronization

/// Checks the head of each request and tracks the requests of the connection.
///
/// Directly follows the HTTP decoder in the pipeline. A faulty head is passed on with `faultHeader`, which no client
/// can send, so that the rejection is answered in order like any other request. The connection is closed afterwards.
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
    /// The number of the first HTTP/1.0 request. It is the last one: the connection closes after its response.
    private var oldRequest: Int?
    /// A head has arrived, but not the end of its request.
    private var isReceiving = false
    /// No more input is accepted: the connection is being closed, in favor of another or after a rejected request.
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
        } else if head.headers.contains(name: "expect"), head.version != .http1_0, requests == answers + 1 {
            // Inside another response, `100 Continue` would be read as part of it. A pipelining client does not wait
            // for it anyway.
            context.writeAndFlush(
                wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
        }
        if head.version == .http1_0, oldRequest == nil { oldRequest = requests }
        // `Connection: keep-alive` of HTTP/1.0 is not supported: a response without a length ends with the connection.
        if fault != nil || !head.isKeepAlive || head.version == .http1_0 {
            head.headers.replaceOrAdd(name: "connection", value: "close")
        }
        head.uri = RequestTarget.normalized(head.uri)
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Otherwise a truncated body could be read as a complete one.
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
        case .head(var head):
            guard let oldRequest, answers + 1 >= oldRequest else { return context.write(data, promise: promise) }
            // HTTP/1.0 has no chunked bodies.
            if !head.headers.contains(name: "content-length") { head.version = .http1_0 }
            head.headers.replaceOrAdd(name: "connection", value: "close")
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        }
    }
}

/// Counts the bytes of responses, over all connections, that clients have not read yet.
final class UnsentBytes: Sendable {
    private let count = Atomic(0)
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func add(_ bytes: Int) { count.add(bytes, ordering: .relaxed) }
    func remove(_ bytes: Int) { count.subtract(bytes, ordering: .relaxed) }

    /// Returns whether a response of this size may be added. Small ones always may: the connection limit bounds them.
    func hasRoom(for bytes: Int) -> Bool {
        bytes <= 64 << 10 || count.load(ordering: .relaxed) + bytes <= limit
    }
}
