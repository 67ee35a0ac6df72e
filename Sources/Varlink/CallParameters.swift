import FoundationEssentials

extension VarlinkCoding {
    /// Decodes the parameters of a call, which must all be known to the method: a misspelled optional parameter would
    /// otherwise have no effect. Unknown parameters that are null are ignored.
    ///
    /// - Throws: `VarlinkServiceError.invalidParameter` with the path of the first parameter that is missing, has the wrong
    ///   type or is unknown, such as `sampling.temprature`.
    public static func decodeCallParameters<M: VarlinkMethod>(
        _ method: M.Type, of message: [UInt8]
    ) throws(VarlinkServiceError) -> M.Parameters {
        do {
            let decoded = try JSONDecoder().decode(KnownParameters<M.Parameters>.self, from: Data(message))
            guard let parameters = decoded.parameters else {
                return try decodeParameters(M.Parameters.self, of: message)
            }
            if let unknown = decoded.unknown {
                // A parameter with an empty name cannot be named.
                throw VarlinkServiceError.invalidParameter(parameter: unknown.isEmpty ? "parameters" : unknown)
            }
            return parameters
        } catch let error as VarlinkServiceError {
            throw error
        } catch {
            throw .invalidParameter(parameter: invalidParameter(error, decoding: M.Parameters.self, of: message))
        }
    }

    /// The parameters of a call and the path of the first unknown one, from a single pass over the JSON text.
    private struct KnownParameters<Parameters: Codable>: Decodable {
        /// Nil if the call has none.
        var parameters: Parameters?
        var unknown: String?

        init(from decoder: any Decoder) throws {
            let call = try decoder.container(keyedBy: MemberName.self)
            let key = MemberName(stringValue: "parameters")
            parameters = try call.decodeIfPresent(Parameters.self, forKey: key)
            guard let parameters, let sent = try? call.nestedContainer(keyedBy: MemberName.self, forKey: key) else {
                return
            }
            unknown = try EncodedNames(of: parameters).firstUnknown(in: sent)
        }
    }
}

/// The names of the members that a value encodes, and of the members of these, without their values.
private final class EncodedNames {
    fileprivate(set) var members: [String: EncodedNames] = [:]

    init() {}

    convenience init(of value: some Encodable) throws {
        self.init()
        try value.encode(to: NameRecorder(names: self))
    }

    /// Returns the path of the first member, in alphabetical order, that is not among the names.
    func firstUnknown(in sent: KeyedDecodingContainer<MemberName>) -> String? {
        for key in sent.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            if (try? sent.decodeNil(forKey: key)) == true { continue }
            guard let known = members[key.stringValue] else { return key.stringValue }
            guard let object = try? sent.nestedContainer(keyedBy: MemberName.self, forKey: key) else { continue }
            if let inner = known.firstUnknown(in: object) { return "\(key.stringValue).\(inner)" }
        }
        return nil
    }
}

/// An encoder that records the names of members and discards values. The elements of arrays are not recorded.
private struct NameRecorder: Encoder {
    let names: EncodedNames
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Object<Key>(names: names))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { Elements() }
    func singleValueContainer() -> any SingleValueEncodingContainer { Value(names: names) }

    private struct Object<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let names: EncodedNames
        var codingPath: [any CodingKey] { [] }

        func encodeNil(forKey key: Key) {}

        func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
            names.members[key.stringValue] = try EncodedNames(of: value)
        }

        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> {
            recorder(for: key.stringValue).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            recorder(for: key.stringValue).unkeyedContainer()
        }

        func superEncoder() -> any Encoder { recorder(for: "super") }
        func superEncoder(forKey key: Key) -> any Encoder { recorder(for: key.stringValue) }

        private func recorder(for name: String) -> NameRecorder {
            let nested = EncodedNames()
            names.members[name] = nested
            return NameRecorder(names: nested)
        }
    }

    private struct Elements: UnkeyedEncodingContainer {
        var codingPath: [any CodingKey] { [] }
        var count: Int { 0 }

        func encodeNil() {}
        func encode<T: Encodable>(_ value: T) {}

        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            NameRecorder(names: EncodedNames()).container(keyedBy: type)
        }

        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { Elements() }
        func superEncoder() -> any Encoder { NameRecorder(names: EncodedNames()) }
    }

    private struct Value: SingleValueEncodingContainer {
        let names: EncodedNames
        var codingPath: [any CodingKey] { [] }

        func encode<T: Encodable>(_ value: T) throws { try value.encode(to: NameRecorder(names: names)) }

        // These types encode themselves through the methods below.
        func encodeNil() {}
        func encode(_ value: Bool) {}
        func encode(_ value: String) {}
        func encode(_ value: Double) {}
        func encode(_ value: Float) {}
        func encode(_ value: Int) {}
        func encode(_ value: Int8) {}
        func encode(_ value: Int16) {}
        func encode(_ value: Int32) {}
        func encode(_ value: Int64) {}
        func encode(_ value: UInt) {}
        func encode(_ value: UInt8) {}
        func encode(_ value: UInt16) {}
        func encode(_ value: UInt32) {}
        func encode(_ value: UInt64) {}
    }
}

/// A member of a JSON object with any name.
struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
