/// Splits a byte stream into messages: JSON texts terminated by NUL.
///
/// The framer performs no I/O: bytes are appended as they arrive, and complete messages are taken out.
public struct MessageFramer: Sendable {
    /// More than `limit` bytes were received without a NUL.
    public struct MessageTooLarge: Error, Sendable, Equatable, CustomStringConvertible {
        public let limit: Int
        public init(limit: Int) { self.limit = limit }
        public var description: String { "a message is larger than \(limit) bytes" }
    }

    /// The maximum size of a message in bytes, without its NUL.
    public let limit: Int

    /// The size up to which the empty buffer is kept for the next message, in bytes.
    private static let keptCapacity = 64 << 10

    private var buffer: [UInt8] = []
    /// The start of the first message that has not been taken.
    private var start = 0
    /// `start..<scanned` contains no NUL, so no byte is examined twice however small the pieces are.
    private var scanned = 0

    public init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// The number of bytes received but not taken.
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

    /// Whether `next` would return a message.
    public var hasMessage: Bool { buffer[scanned...].contains(0) }

    /// Takes the next complete message, without its NUL; nil until more bytes arrive.
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
        // An idle connection does not retain the memory of a large message it once sent.
        if start == buffer.count && buffer.capacity > Self.keptCapacity { (buffer, start, scanned) = ([], 0, 0) }
        return message
    }
}
