import Varlink

/// The fields of a Codable type, learnt from what its `init(from:)` asks for.
func decodedFields(of type: any Decodable.Type) throws -> [InterfaceText.Field] {
    let record = Record()
    _ = try type.init(from: Probe(record: record))
    return record.fields
}

private final class Record {
    var fields: [InterfaceText.Field] = []
}

/// Gives some value for everything and writes down what was asked.
private struct Probe: Decoder {
    let record: Record
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Keyed<Key>(record: record))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw NotAnObject() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw NotAnObject() }
}

private struct NotAnObject: Error {}

private protocol ArrayType {
    static var element: any Decodable.Type { get }
}

extension Array: ArrayType where Element: Decodable {
    static var element: any Decodable.Type { Element.self }
}

private protocol OptionalType {
    static var wrapped: any Decodable.Type { get }
}

extension Optional: OptionalType where Wrapped: Decodable {
    static var wrapped: any Decodable.Type { Wrapped.self }
}

private func cases<E: CaseIterable>(of type: E.Type) -> [E] { Array(E.allCases) }

/// A case as it travels.
private func name(_ value: Any) -> String {
    (value as? any RawRepresentable<String>)?.rawValue ?? "\(value)"
}

/// The type as a `.varlink` file writes it.
private func varlinkName(_ type: any Decodable.Type) -> String {
    switch type {
    case is Int.Type: "int"
    case is Double.Type: "float"
    case is String.Type: "string"
    case is Bool.Type: "bool"
    case is JSONValue.Type: "object"
    case let array as any ArrayType.Type: "[]" + varlinkName(array.element)
    case let optional as any OptionalType.Type: "?" + varlinkName(optional.wrapped)
    case let enumeration as any CaseIterable.Type:
        "(" + cases(of: enumeration).map(name).joined(separator: ",") + ")"
    default: "\(type)"
    }
}

private func someValue<T: Decodable>(_ type: T.Type) throws -> T {
    func cast(_ value: Any) throws -> T {
        guard let value = value as? T else { throw NotAnObject() }
        return value
    }
    switch type {
    case is Int.Type: return try cast(0)
    case is Double.Type: return try cast(0.0)
    case is String.Type: return try cast("")
    case is Bool.Type: return try cast(false)
    case is JSONValue.Type: return try cast(JSONValue.null)
    case let enumeration as any CaseIterable.Type: return try cast(cases(of: enumeration)[0])
    default:
        if type is any ArrayType.Type { return try cast([T]()) }
        return try T(from: Probe(record: Record()))
    }
}

private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let record: Record
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { false }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        record.fields.append(.init(name: key.stringValue, type: varlinkName(type)))
        return try someValue(type)
    }

    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) -> T? {
        record.fields.append(.init(name: key.stringValue, type: "?" + varlinkName(type)))
        return nil
    }

    // The protocol has a requirement of its own for each of these, which the synthesized code prefers.
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try note(type, key) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try note(type, key) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try note(type, key) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try note(type, key) }
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) -> Bool? { noteOptional(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) -> String? { noteOptional(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) -> Double? { noteOptional(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) -> Int? { noteOptional(type, key) }

    private func note<T: Decodable>(_ type: T.Type, _ key: Key) throws -> T {
        record.fields.append(.init(name: key.stringValue, type: varlinkName(type)))
        return try someValue(type)
    }

    private func noteOptional<T: Decodable>(_ type: T.Type, _ key: Key) -> T? {
        record.fields.append(.init(name: key.stringValue, type: "?" + varlinkName(type)))
        return nil
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw NotAnObject() }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw NotAnObject() }
    func superDecoder() throws -> any Decoder { throw NotAnObject() }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw NotAnObject() }
}
