import FoundationEssentials
import LimitedLogging
import Logging
import Varlink

/// One call from its bytes to its last reply.
struct CallExchange: Sendable {
    let service: VarlinkService
    let peer: PeerCredentials
    let memory: CallMemory
    let log: LimitLog
    /// Gives one message, without its NUL, to the client; throws where it has gone or is cut off.
    let write: @Sendable (Data) async throws -> Void

    /// Sent for what a handler throws that is no error of its interface.
    private struct InternalError: Codable, Sendable {
        var message: String
    }

    /// - Parameter whenEndless: called before the body where the call will not end by itself.
    /// - Returns: whether the last reply was given, or none was wanted. Where not, the connection is of no more use.
    func answer(_ message: [UInt8], _ shape: JSONShape, whenEndless: () -> Void) async -> Bool {
        // Before anything is decoded: what nobody would send is not taken apart.
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
            log.cutOff(peer, reason: "no call", "what it sent is no call: \(error)")
            return false
        }
        let context = CallContext(peer: peer, more: header.more ?? false, memory: memory)
        let sink = ReplySink(more: context.more, oneway: header.oneway ?? false, write: write)
        do {
            let method = try service.method(header.method)
            try check(method.access, header.method)
            if method.endless { whenEndless() }
            try await method.handler(message, context, sink)
            // A subscription may end with its connection, without a last word.
            if !sink.isFinished && !Task.isCancelled && !method.endless {
                log.write(.error, "a call ended without a last reply", header.method, peer)
                return await fail(header, sink, "it ended without a reply")
            }
        } catch {
            // Nobody waits for an answer where the client has gone or the server stops.
            guard !sink.isBroken, !Task.isCancelled else { return false }
            return await reply(to: header, error, sink)
        }
        return sink.isFinished && !sink.isBroken
    }

    private func check(_ access: MethodAccess, _ method: String) throws(VarlinkServiceError) {
        guard access == .administrators, !service.administrators.includes(peer) else { return }
        log.write(.notice, "a call is not permitted", method, peer)
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
