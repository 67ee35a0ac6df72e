/// Exchanges in which all ranks take part, made of messages between two of them.
extension Communicator {
    /// The other ranks, in ascending order.
    public var others: [Int] { (0..<size).filter { $0 != rank } }

    /// Sends bytes of known size from rank 0 to all others.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, silenceSeconds: Double) throws(CommunicationError) {
        let messages: [Message] =
            rank == 0 ? others.map { .send(UnsafeRawBufferPointer(bytes), to: $0) } : [.receive(bytes, from: 0)]
        try exchange(messages, silenceSeconds: silenceSeconds)
    }

    /// Sends the same bytes, whose size the receivers do not know, to some ranks.
    public func send(_ bytes: [UInt8], to peers: [Int], silenceSeconds: Double) throws(CommunicationError) {
        var count = UInt64(bytes.count)
        try withBytes(of: &count) { header throws(CommunicationError) in
            try withBytes(of: bytes) { body throws(CommunicationError) in
                try exchange(
                    peers.flatMap { [Message.send(UnsafeRawBufferPointer(header), to: $0), .send(body, to: $0)] },
                    silenceSeconds: silenceSeconds)
            }
        }
    }

    /// Receives bytes that a rank sends with `send`.
    /// - Parameter most: the largest size that is accepted
    public func receive(
        from peer: Int, atMost most: Int, silenceSeconds: Double
    ) throws(CommunicationError) -> [UInt8] {
        var count: UInt64 = 0
        try withBytes(of: &count) { header throws(CommunicationError) in
            try exchange([.receive(header, from: peer)], silenceSeconds: silenceSeconds)
        }
        guard count <= UInt64(most) else {
            throw .malformed(rank: peer, reason: "a message of \(count) bytes, more than \(most)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        try withBytes(of: &bytes) { body throws(CommunicationError) in
            try exchange([.receive(body, from: peer)], silenceSeconds: silenceSeconds)
        }
        return bytes
    }

    /// Exchanges values so that each rank has those of all.
    /// - Parameters:
    ///   - values: on return complete
    ///   - ranges: for each rank, the ranges of `values` that it provides
    public func gather<Value: BitwiseCopyable>(
        _ values: UnsafeMutableBufferPointer<Value>, _ ranges: [[Range<Int>]], silenceSeconds: Double
    ) throws(CommunicationError) {
        precondition(ranges.count == size)
        func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[range]))
        }
        let messages = others.flatMap { peer in
            ranges[rank].map { Message.send(UnsafeRawBufferPointer(bytes($0)), to: peer) }
                + ranges[peer].map { Message.receive(bytes($0), from: peer) }
        }
        try exchange(messages, silenceSeconds: silenceSeconds)
    }
}

private func withBytes<Value: BitwiseCopyable>(
    of value: inout Value, _ body: (UnsafeMutableRawBufferPointer) throws(CommunicationError) -> Void
) throws(CommunicationError) {
    var failure: CommunicationError?
    withUnsafeMutableBytes(of: &value) { bytes in
        do throws(CommunicationError) { try body(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
}

private func withBytes(
    of array: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(CommunicationError) -> Void
) throws(CommunicationError) {
    var failure: CommunicationError?
    array.withUnsafeMutableBytes { bytes in
        do throws(CommunicationError) { try body(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
}

private func withBytes(
    of array: [UInt8], _ body: (UnsafeRawBufferPointer) throws(CommunicationError) -> Void
) throws(CommunicationError) {
    var failure: CommunicationError?
    array.withUnsafeBytes { bytes in
        do throws(CommunicationError) { try body(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
}
