import Varlink

/// What is known of a call besides its parameters.
public struct CallContext: Sendable {
    public let peer: PeerCredentials
    /// The caller takes any number of replies.
    public let more: Bool

    public init(peer: PeerCredentials, more: Bool) {
        self.peer = peer
        self.more = more
    }
}

/// Gives the replies to one call, in order. Each returns when the reply is with the kernel, so that a slow reader slows
/// the body down; it throws where the client has gone.
public struct ReplyWriter<Reply: Codable & Sendable>: Sendable {
    let sink: ReplySink

    /// One reply of which more follow. Throws `ExpectedMore` where the caller did not ask for `more`.
    public func send(_ reply: Reply) async throws {
        try await sink.reply(try VarlinkCoding.encodeReply(reply, continues: true), last: false)
    }

    /// The last reply.
    public func finish(_ reply: Reply) async throws {
        try await sink.reply(try VarlinkCoding.encodeReply(reply), last: true)
    }
}
