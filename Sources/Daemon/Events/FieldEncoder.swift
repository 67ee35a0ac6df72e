import MetricsSchema
import Varlink

/// Encodes a value as a `JSONValue` directly, without writing and parsing JSON text. Keys become snake_case, as in
/// `JobCoding`.
final class FieldEncoder: Encoder {
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]
    fileprivate var value = JSONValue.null

    private init() {}

    static func encode(_ value: some Encodable) throws -> JSONValue {
        switch value {
        case let value as Bool: return .bool(value)
        case let value as Int: return .int(value)
        // As in the JSON text of `value`, where a whole number has no fraction.
        case let value as Double: return Int(exactly: value).map(JSONValue.int) ?? .double(value)
        case let value as String: return .string(value)
        default:
            let encoder = FieldEncoder()
            try value.encode(to: encoder)
            return encoder.value
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .object = value {} else { value = .object([:]) }
        return KeyedEncodingContainer(Members<Key>(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        value = .array([])
        return Elements(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

    fileprivate func set(_ name: String, _ member: JSONValue) {
        guard case .object(var members) = value else { return }
        members[name.snakeCased] = member
        value = .object(members)
    }

    fileprivate func append(_ element: JSONValue) {
        guard case .array(var elements) = value else { return }
        elements.append(element)
        value = .array(elements)
    }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: FieldEncoder
    var codingPath: [any CodingKey] { [] }

    func encodeNil(forKey key: Key) throws { encoder.set(key.stringValue, .null) }

    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        encoder.set(key.stringValue, try FieldEncoder.encode(value))
    }

    // Encoders of nested containers and of superclasses are for hand-written `encode(to:)`; events have none.
    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { preconditionFailure("events have no nested containers") }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        preconditionFailure("events have no nested containers")
    }
    func superEncoder() -> any Encoder { encoder }
    func superEncoder(forKey key: Key) -> any Encoder { encoder }
}

private struct Elements: UnkeyedEncodingContainer {
    let encoder: FieldEncoder
    var codingPath: [any CodingKey] { [] }
    private(set) var count = 0

    init(encoder: FieldEncoder) { self.encoder = encoder }

    mutating func encodeNil() throws {
        encoder.append(.null)
        count += 1
    }

    mutating func encode<Value: Encodable>(_ value: Value) throws {
        encoder.append(try FieldEncoder.encode(value))
        count += 1
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        preconditionFailure("events have no nested containers")
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        preconditionFailure("events have no nested containers")
    }
    func superEncoder() -> any Encoder { encoder }
}

private struct Single: SingleValueEncodingContainer {
    let encoder: FieldEncoder
    var codingPath: [any CodingKey] { [] }

    func encodeNil() throws { encoder.value = .null }

    func encode<Value: Encodable>(_ value: Value) throws { encoder.value = try FieldEncoder.encode(value) }
}
