/// A protocol buffer message under construction (protobuf.dev, "Encoding"): bytes in memory, and ranges of another file
/// that are copied only when the message is written.
struct ProtobufMessage {
    enum Piece: Equatable {
        case bytes([UInt8])
        /// A range of the file with the weights.
        case weights(Range<Int>)
    }

    private(set) var pieces: [Piece] = []
    /// Encoded size in bytes.
    private(set) var count = 0

    /// Adds a field of the types `int32`, `int64` or `enum`.
    mutating func add(_ field: Int, _ value: Int) {
        append(Self.varint(UInt64(field) << 3) + Self.varint(UInt64(bitPattern: Int64(value))))
    }

    /// Adds a field of the type `float`.
    mutating func add(_ field: Int, _ value: Float) {
        append(Self.varint(UInt64(field) << 3 | 5) + withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) })
    }

    /// Adds a field of the types `string` or `bytes`.
    mutating func add(_ field: Int, _ text: String) { add(field, bytes: Array(text.utf8)) }

    mutating func add(_ field: Int, bytes: [UInt8]) {
        append(Self.header(field, bytes.count) + bytes)
    }

    mutating func add(_ field: Int, _ message: ProtobufMessage) {
        append(Self.header(field, message.count))
        append(contentsOf: message)
    }

    /// Adds the fields of another message.
    mutating func append(contentsOf message: ProtobufMessage) {
        for piece in message.pieces {
            switch piece {
            case .bytes(let bytes): append(bytes)
            case .weights(let range): append(range)
            }
        }
    }

    /// Adds a field of the type `bytes` that consists of a range of the file with the weights.
    mutating func add(_ field: Int, weights range: Range<Int>) {
        append(Self.header(field, range.count))
        append(range)
    }

    private mutating func append(_ bytes: [UInt8]) {
        count += bytes.count
        if case .bytes(var last)? = pieces.last {
            // Appends in place: the array must not be referenced twice.
            pieces.removeLast()
            last += bytes
            pieces.append(.bytes(last))
        } else {
            pieces.append(.bytes(bytes))
        }
    }

    private mutating func append(_ range: Range<Int>) {
        count += range.count
        pieces.append(.weights(range))
    }

    /// The key of a length-delimited field, and its length.
    private static func header(_ field: Int, _ length: Int) -> [UInt8] {
        varint(UInt64(field) << 3 | 2) + varint(UInt64(length))
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var (bytes, rest): ([UInt8], UInt64) = ([], value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
