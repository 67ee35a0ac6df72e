import Glibc
import Logging
import NIOCore
import Varlink

/// `struct ucred`, which Glibc declares for GNU sources only.
private struct Credentials: Sendable {
    var pid: pid_t = 0
    var uid: uid_t = 0
    var gid: gid_t = 0
}

/// One connection: carries out what `ConnectionState` decides. All of it runs on the connection's event loop; the
/// calls themselves run in tasks.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let service: VarlinkService
    private let logger: Logger
    private var state: ConnectionState
    private var peer: PeerCredentials?
    private var call: Task<Void, Never>?
    private var isCallEndless = false
    private var isStopping = false
    private var isClosed = false

    init(service: VarlinkService, messageLimit: Int, logger: Logger) {
        self.service = service
        self.logger = logger
        self.state = ConnectionState(messageLimit: messageLimit)
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        guard let options = channel as? any SocketOptionProvider else {
            preconditionFailure("\(channel) is no socket")
        }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let credentials: EventLoopFuture<Credentials> = options.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        credentials.whenComplete { result in
            let handler = bound.value
            switch result {
            case .success(let peer):
                handler.peer = PeerCredentials(pid: peer.pid, uid: peer.uid, gid: peer.gid)
                channel.read()
            case .failure(let error):
                handler.logger.error("cannot learn who connects", metadata: ["error": "\(error)"])
                channel.close(promise: nil)
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        perform(state.received(unwrapInboundIn(data).readableBytesView), context.channel)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if state.wantsBytes { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            perform(state.inputClosed(), context.channel)
        case is ChannelShouldQuiesceEvent:
            isStopping = true
            if isCallEndless { call?.cancel() }
            perform(state.stop(), context.channel)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        call?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Also a client that hangs up is reported here: its call is cancelled in `channelInactive`.
        logger.debug("a connection broke", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    private func perform(_ action: ConnectionState.Action, _ channel: any Channel) {
        switch action {
        case .wait:
            if state.wantsBytes { channel.read() }
        case .start(let message):
            start(message, channel)
            if state.wantsBytes { channel.read() }
        case .close(let reason):
            if let reason {
                logger.notice("a client is cut off", metadata: ["reason": "\(reason)", "pid": "\(peer?.pid ?? 0)"])
            }
            channel.close(promise: nil)
        }
    }

    private func start(_ message: [UInt8], _ channel: any Channel) {
        guard let peer else { preconditionFailure("a call before the caller is known") }
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let exchange = CallExchange(service: service, peer: peer, channel: channel, logger: logger)
        isCallEndless = false
        call = Task {
            let replied = await exchange.answer(message) {
                channel.eventLoop.execute { bound.value.callIsEndless() }
            }
            channel.eventLoop.execute { bound.value.callEnded(replied: replied, channel) }
        }
    }

    private func callIsEndless() {
        isCallEndless = true
        if isStopping { call?.cancel() }
    }

    private func callEnded(replied: Bool, _ channel: any Channel) {
        call = nil
        if !isClosed { perform(state.callEnded(replied: replied), channel) }
    }
}
