import FoundationEssentials
import Varlink

/// What is known of a call besides its parameters.
public struct CallContext: Sendable {
    public let peer: PeerCredentials
    /// The caller takes any number of replies.
    public let more: Bool
    /// What the call holds of the server's memory for requests; nil outside a server.
    let memory: CallMemory?

    public init(peer: PeerCredentials, more: Bool) {
        self.init(peer: peer, more: more, memory: nil)
    }

    init(peer: PeerCredentials, more: Bool, memory: CallMemory?) {
        self.peer = peer
        self.more = more
        self.memory = memory
    }

    /// Counts bytes that answering the call takes against the memory for requests, until the call has ended. As many as a
    /// user may have are enough for anything: then nothing else of this user is under way.
    /// - Returns: false where there are not so many
    public func reserve(_ bytes: Int) -> Bool { memory?.reserve(bytes) == nil }
}

/// Gives the replies to one call, in order. Each returns when the reply is with the kernel, so that a slow reader slows
/// the body down; it throws where the client has gone.
public struct ReplyWriter<Reply: Codable & Sendable>: Sendable {
    let sink: ReplySink
    /// Whose call it is.
    let user: UInt32
    /// About how many bytes a reply takes.
    let replyBytes: @Sendable (Reply) -> Int

    /// One reply of which more follow. Throws `ExpectedMore` where the caller did not ask for `more`.
    public func send(_ reply: Reply) async throws {
        try await sink.reply(try VarlinkCoding.encodeReply(reply, continues: true), last: false)
    }

    /// Sends a reply that is already encoded: one that `continues`, or else the last one.
    public func send(_ reply: EncodedReply<Reply>) async throws {
        try await sink.reply(reply.message, last: !reply.continues)
    }

    /// The last reply.
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
