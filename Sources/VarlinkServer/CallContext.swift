import FoundationEssentials
import Varlink

/// Properties of a call other than its parameters.
public struct CallContext: Sendable {
    public let peer: PeerCredentials
    /// The caller accepts any number of replies.
    public let more: Bool
    /// The request memory reserved by the call; nil outside a server.
    let memory: CallMemory?

    public init(peer: PeerCredentials, more: Bool) {
        self.init(peer: peer, more: more, memory: nil)
    }

    init(peer: PeerCredentials, more: Bool, memory: CallMemory?) {
        self.peer = peer
        self.more = more
        self.memory = memory
    }

    /// Reserves request memory that processing the call requires, until the call ends. A reservation is capped at the limit
    /// for one user, who then has no other call in progress.
    /// - Returns: false if not enough memory is available.
    public func reserve(_ bytes: Int) -> Bool { memory?.reserve(bytes) == nil }
}

/// Sends the replies to one call in order.
///
/// Each method returns once the reply has been handed to the kernel, so a slow reader slows the handler down. It throws if
/// the client has disconnected.
public struct ReplyWriter<Reply: Codable & Sendable>: Sendable {
    let sink: ReplySink
    /// The user who made the call.
    let user: UInt32
    /// The approximate size of a reply in bytes.
    let replyBytes: @Sendable (Reply) -> Int

    /// Sends a reply that is not the last one. Throws `ExpectedMore` if the call was made without `more`.
    public func send(_ reply: Reply) async throws {
        try await sink.reply(try VarlinkCoding.encodeReply(reply, continues: true), last: false)
    }

    /// Sends a reply that is already encoded: one that `continues`, or else the last one.
    public func send(_ reply: EncodedReply<Reply>) async throws {
        try await sink.reply(reply.message, last: !reply.continues)
    }

    /// Sends the last reply.
    public func finish(_ reply: Reply) async throws {
        let message = try await CodingLane.shared.run(for: user, bytes: replyBytes(reply)) {
            try VarlinkCoding.encodeReply(reply)
        }
        try await sink.reply(message, last: true)
    }
}

/// A reply in the form in which it is sent, so that one reply to many subscribers is encoded once.
public struct EncodedReply<Reply: Codable & Sendable>: Sendable {
    /// Whether more replies to the same call follow.
    public let continues: Bool
    let message: Data

    public init(_ reply: Reply, continues: Bool) throws {
        self.continues = continues
        message = try VarlinkCoding.encodeReply(reply, continues: continues)
    }
}
