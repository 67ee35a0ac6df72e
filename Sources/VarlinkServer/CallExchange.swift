import FoundationEssentials
import LimitedLogging
import Logging
import Varlink

/// Processes one call, from its bytes to its last reply.
struct CallExchange: Sendable {
    let service: VarlinkService
    let peer: PeerCredentials
    let memory: CallMemory
    let log: LimitLog
    /// Sends one message, without its NUL, to the client. Throws if the client has disconnected or was cut off.
    let write: @Sendable (Data) async throws -> Void

    /// The reply if a handler throws something other than an error of its interface.
    private struct InternalError: Codable, Sendable {
        var message: String
    }

    /// - Parameter whenEndless: called before the handler if the call does not end by itself.
    /// - Returns: whether the last reply was sent or none was expected. Otherwise the connection must be closed.
    func answer(_ message: [UInt8], _ shape: JSONShape, whenEndless: () -> Void) async -> Bool {
        // Calls that would be expensive to decode are rejected first.
        guard shape.isReadable else {
            let error = VarlinkServiceError.invalidParameter(parameter: "parameters")
            return await send(ReplySink(more: false, oneway: false, write: write)) {
                try VarlinkCoding.encodeError(name: error.name, error.parameters)
            }
        }
        let header: VarlinkCallHeader
        do {
            header = try await CodingLane.shared.run(for: peer.uid, bytes: message.count) {
                try VarlinkCoding.decodeCall(message)
            }
        } catch is CancellationError {
            return false
        } catch {
            log.cutOff(peer, reason: "not a call", "it sent a message that is not a call: \(error)")
            return false
        }
        let context = CallContext(peer: peer, more: header.more ?? false, memory: memory)
        let sink = ReplySink(more: context.more, oneway: header.oneway ?? false, write: write)
        do {
            let method = try service.method(header.method)
            try check(method.access, header.method)
            if method.endless { whenEndless() }
            try await method.handler(message, context, sink)
            // A subscription may end with its connection, without a last reply.
            if !sink.isFinished && !Task.isCancelled && !method.endless {
                log.write(.error, "a call ended without its last reply", header.method, peer)
                return await fail(header, sink, "it ended without a reply")
            }
        } catch {
            // No reply is expected if the client has disconnected or the server is stopping.
            guard !sink.isBroken, !Task.isCancelled else { return false }
            return await reply(to: header, error, sink)
        }
        return sink.isFinished && !sink.isBroken
    }

    private func check(_ access: MethodAccess, _ method: String) throws(VarlinkServiceError) {
        guard access == .administrators, !service.administrators.includes(peer) else { return }
        log.write(.notice, "permission denied", method, peer)
        throw .permissionDenied(needs: service.administrators.description)
    }

    private func reply(to header: VarlinkCallHeader, _ error: any Error, _ sink: ReplySink) async -> Bool {
        guard !sink.isFinished else {
            log.write(.error, "a call failed after its last reply", "\(header.method): \(error)", peer)
            return true
        }
        switch error {
        case let error as VarlinkServiceError:
            return await send(sink) { try VarlinkCoding.encodeError(name: error.name, error.parameters) }
        case let error as any VarlinkErrorReply:
            return await send(sink) { try Self.encode(error) }
        default:
            log.write(.error, "a call failed", "\(header.method): \(error)", peer)
            return await fail(header, sink, "\(error)")
        }
    }

    private func fail(_ header: VarlinkCallHeader, _ sink: ReplySink, _ message: String) async -> Bool {
        let name = "\(VarlinkService.interface(of: header.method)).InternalError"
        return await send(sink) { try VarlinkCoding.encodeError(name: name, InternalError(message: message)) }
    }

    private func send(_ sink: ReplySink, _ message: () throws -> Data) async -> Bool {
        do {
            try await sink.reply(try message(), last: true)
            return true
        } catch {
            log.logger.debug("an error reply was not delivered", metadata: ["error": "\(error)", "pid": "\(peer.pid)"])
            return false
        }
    }

    private static func encode<E: VarlinkErrorReply>(_ error: E) throws -> Data {
        try VarlinkCoding.encodeError(name: E.name, error)
    }
}
