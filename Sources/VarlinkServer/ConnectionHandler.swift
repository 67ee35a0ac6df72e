import FoundationEssentials
import LimitedLogging
import Logging
import NIOCore
import Varlink

/// Performs the actions that `ConnectionState` returns for one connection, within the server's limits.
///
/// The handler runs on the connection's event loop; calls run in tasks.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// What must happen before the deadline.
    private enum Wait: Equatable {
        case phase(ConnectionState.Phase)
        /// Nothing: the current call does not end by itself.
        case subscription
        /// The client must read what was written.
        case reader
    }

    private let service: VarlinkService
    private let peer: PeerCredentials
    private let refusal: VarlinkLimitsInterface.TooManyConnections?
    private let limits: VarlinkServer.Limits
    private let memory: RequestMemory
    private let log: LimitLog
    /// The request memory reserved for received bytes.
    private var held = 0
    private var state: ConnectionState
    private var call: Task<Void, Never>?
    private var isCallEndless = false
    private var isStopping = false
    private var isClosed = false
    /// The last message has been sent; input is ignored.
    private var isCutOff = false
    private var wait: Wait?
    private var deadline: Deadline?

    /// - Parameter refusal: the error to send before disconnecting a client that exceeds the limit on connections.
    init(
        service: VarlinkService, peer: PeerCredentials, refusal: VarlinkLimitsInterface.TooManyConnections?,
        limits: VarlinkServer.Limits, memory: RequestMemory, log: LimitLog
    ) {
        self.service = service
        self.peer = peer
        self.refusal = refusal
        self.limits = limits
        self.memory = memory
        self.log = log
        state = ConnectionState(messageLimit: limits.messageBytes)
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = Deadline(context.eventLoop) { [weak self] in self?.isOverdue(channel) }
        if let refusal { return cutOff(refusal, channel) }
        waitFor(.phase(.idle))
        channel.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isCutOff else { return }
        let action = state.received(unwrapInboundIn(data).readableBytesView)
        guard countBuffered(context.channel) else { return }
        perform(action, context.channel)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if state.wantsBytes && !isCutOff { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case _ where isCutOff: break
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
        // Pending writes and calls must not start the timer again.
        deadline?.end()
        deadline = nil
        giveBack()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A disconnecting client is also reported here; its call is cancelled in `channelInactive`.
        log.logger.debug("connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    private func perform(_ action: ConnectionState.Action, _ channel: any Channel) {
        switch action {
        case .wait:
            // Bytes received during a call do not affect its deadline.
            if call == nil { waitFor(.phase(state.phase)) }
            if state.wantsBytes { channel.read() }
        case .start(let message):
            start(message, channel)
            if state.wantsBytes { channel.read() }
        case .close(nil):
            channel.close(promise: nil)
        case .close(let tooLarge?):
            cutOff(VarlinkLimitsInterface.RequestTooLarge(limit: tooLarge.limit), channel)
        }
    }
}

// Calls and their replies.
extension ConnectionHandler {
    private func start(_ message: [UInt8], _ channel: any Channel) {
        let shape = JSONShape(message)
        let memory = CallMemory(memory, peer.uid)
        if let exceeded = memory.reserve(RequestMemory.needed(for: shape, bytes: message.count)) {
            return cutOff(exceeded, channel)
        }
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let exchange = CallExchange(service: service, peer: peer, memory: memory, log: log) { message in
            try await channel.eventLoop.flatSubmit { bound.value.write(message, channel) }.get()
        }
        isCallEndless = false
        waitFor(.phase(.answering))
        call = Task {
            let replied = await exchange.answer(message, shape) {
                channel.eventLoop.execute { bound.value.callIsEndless() }
            }
            memory.release()
            channel.eventLoop.execute { bound.value.callEnded(replied: replied, channel) }
        }
    }

    private func callIsEndless() {
        isCallEndless = true
        if isStopping { call?.cancel() }
        if wait == .phase(.answering) { waitFor(.subscription) }
    }

    private func callEnded(replied: Bool, _ channel: any Channel) {
        call = nil
        isCallEndless = false
        guard !isClosed && !isCutOff else { return }
        let action = state.callEnded(replied: replied)
        if countBuffered(channel) { perform(action, channel) }
    }

    private func write(_ message: Data, _ channel: any Channel) -> EventLoopFuture<Void> {
        guard !isCutOff else { return channel.eventLoop.makeFailedFuture(CancellationError()) }
        waitFor(.reader)
        let written = send(message, channel)
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        written.whenSuccess { bound.value.wasRead() }
        return written
    }

    private func send(_ message: Data, _ channel: any Channel) -> EventLoopFuture<Void> {
        var buffer = channel.allocator.buffer(capacity: message.count + 1)
        buffer.writeBytes(message)
        buffer.writeInteger(UInt8(0))
        return channel.writeAndFlush(buffer)
    }

    private func wasRead() {
        if !isCutOff { waitFor(isCallEndless ? .subscription : .phase(.answering)) }
    }
}

// Limits.
extension ConnectionHandler {
    private func waitFor(_ next: Wait) {
        // The deadline for a request applies to all of it and does not restart with each byte.
        if next == .phase(.receiving) && wait == next { return }
        wait = next
        switch next {
        case .phase(.idle): deadline?.move(to: limits.idle)
        case .phase(.receiving): deadline?.move(to: limits.receiving)
        case .phase(.answering): deadline?.move(to: limits.answering)
        case .subscription: deadline?.move(to: nil)
        case .reader: deadline?.move(to: limits.reading)
        }
    }

    /// Reserves request memory for the bytes received.
    /// - Returns: false if not enough is available; the client has been cut off.
    private func countBuffered(_ channel: any Channel) -> Bool {
        let wanted = RequestMemory.needed(forArriving: state.bufferedBytes)
        if wanted < held {
            memory.give(held - wanted, peer.uid)
        } else if let exceeded = memory.take(wanted - held, peer.uid) {
            cutOff(exceeded, channel)
            return false
        }
        held = wanted
        return true
    }

    private func giveBack() {
        memory.give(held, peer.uid)
        held = 0
    }

    private func isOverdue(_ channel: any Channel) {
        switch wait {
        case .phase(.receiving):
            cutOff(VarlinkLimitsInterface.TimedOut(part: .request, seconds: limits.receiving / .seconds(1)), channel)
        case .phase(.answering):
            cutOff(VarlinkLimitsInterface.TimedOut(part: .answer, seconds: limits.answering / .seconds(1)), channel)
        case .reader:
            if !isCutOff { log.cutOff(peer, reason: "does not read", "it does not read its replies") }
            channel.close(promise: nil)
        case .phase(.idle):
            log.logger.debug("closing an idle connection", metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)"])
            channel.close(promise: nil)
        case .subscription, nil:
            break
        }
    }

    /// Sends the reason as the last message and closes the connection.
    private func cutOff<Reason: VarlinkLimitError>(_ reason: Reason, _ channel: any Channel) {
        isCutOff = true
        call?.cancel()
        state.discard()
        giveBack()
        let name = service.fullName(of: Reason.self)
        log.cutOff(peer, reason: name, "\(reason)")
        guard let message = try? VarlinkCoding.encodeError(name: name, reason) else {
            return channel.close(promise: nil)
        }
        waitFor(.reader)
        send(message, channel).whenComplete { _ in channel.close(promise: nil) }
    }
}
