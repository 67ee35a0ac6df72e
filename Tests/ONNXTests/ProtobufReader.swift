/// A minimal reader of protocol buffer messages, written from protobuf.dev, "Encoding".
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
    }

    struct Malformed: Error {}

    let fields: [(number: Int, value: Value)]

    init(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        func varint() throws -> UInt64 {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while let byte = rest.popFirst() {
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
                guard shift < 64 else { throw Malformed() }
            }
            throw Malformed()
        }
        func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
            guard count <= UInt64(rest.count) else { throw Malformed() }
            defer { rest = rest.dropFirst(Int(count)) }
            return rest.prefix(Int(count))
        }
        var fields: [(Int, Value)] = []
        while !rest.isEmpty {
            let key = try varint()
            let value: Value
            switch key & 7 {
            case 0: value = .varint(try varint())
            case 2: value = .bytes(try take(varint()))
            case 5: value = .fixed32(try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
            default: throw Malformed()
            }
            fields.append((Int(key >> 3), value))
        }
        self.fields = fields
    }

    func integers(_ number: Int) -> [Int] {
        fields.compactMap {
            if $0.number == number, case .varint(let value) = $0.value { Int(truncatingIfNeeded: value) } else { nil }
        }
    }

    func bytes(_ number: Int) -> [ArraySlice<UInt8>] {
        fields.compactMap { if $0.number == number, case .bytes(let value) = $0.value { value } else { nil } }
    }

    func texts(_ number: Int) -> [String] { bytes(number).map { String(decoding: $0, as: UTF8.self) } }

    func messages(_ number: Int) throws -> [ProtobufReader] { try bytes(number).map(ProtobufReader.init) }

    func float(_ number: Int) -> Float? {
        fields.lazy.compactMap {
            if $0.number == number, case .fixed32(let bits) = $0.value { Float(bitPattern: bits) } else { nil }
        }
        .first
    }
}
