/// Cuts what comes over a connection into messages: JSON texts, each ended by a NUL byte.
///
/// A value without I/O: bytes go in as they arrive, whole messages come out.
public struct MessageFramer: Sendable {
    /// A message without end: more bytes than `limit` have come and no NUL among them.
    public struct MessageTooLarge: Error, Sendable, Equatable, CustomStringConvertible {
        public let limit: Int
        public init(limit: Int) { self.limit = limit }
        public var description: String { "a message is larger than \(limit) bytes" }
    }

    /// Bytes a message may have, its NUL not counted.
    public let limit: Int

    /// Bytes of memory that are kept for the next message.
    private static let keptCapacity = 64 << 10

    private var buffer: [UInt8] = []
    /// Where the first message not yet given out begins.
    private var start = 0
    /// `start..<scanned` holds no NUL: no byte is looked at twice, however small the pieces are.
    private var scanned = 0

    public init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// Bytes that have come and not been given out.
    public var bufferedBytes: Int { buffer.count - start }

    public mutating func append(_ bytes: some Sequence<UInt8>) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
            scanned = 0
        } else if start > buffer.count / 2 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Whether `next` would give a message now.
    public var hasMessage: Bool { buffer[scanned...].contains(0) }

    /// The next whole message without its NUL; nil until more bytes come.
    public mutating func next() throws(MessageTooLarge) -> [UInt8]? {
        guard let end = buffer[scanned...].firstIndex(of: 0) else {
            scanned = buffer.count
            guard scanned - start <= limit else { throw MessageTooLarge(limit: limit) }
            return nil
        }
        guard end - start <= limit else { throw MessageTooLarge(limit: limit) }
        let message = Array(buffer[start..<end])
        start = end + 1
        scanned = start
        // An unused connection holds no memory for the large message it once sent.
        if start == buffer.count && buffer.capacity > Self.keptCapacity { (buffer, start, scanned) = ([], 0, 0) }
        return message
    }
}
