import FoundationEssentials

extension VarlinkCoding {
    /// The parameter that an error of `decodeParameters` is about: `sampling.top_k`, or `parameters` for all of them.
    public static func invalidParameter<Value: Decodable>(
        _ error: any Error, decoding type: Value.Type, of message: [UInt8]
    ) -> String {
        let path: [any CodingKey] =
            switch error {
            case DecodingError.keyNotFound(let key, let context): context.codingPath + [key]
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
                DecodingError.dataCorrupted(let context):
                context.codingPath
            default: []
            }
        guard !path.isEmpty else { return unrepresentable(type, message) ?? "parameters" }
        var name = ""
        for key in path.dropFirst() {
            if let index = key.intValue {
                name += "[\(index)]"
            } else {
                name += name.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return name.isEmpty ? "parameters" : name
    }

    /// `JSONDecoder` does not say where it found a fraction in place of a whole number. The parameter is the one
    /// whose fractions have to go for the error to go.
    private static func unrepresentable<Value: Decodable>(_ type: Value.Type, _ message: [UInt8]) -> String? {
        guard case .object(var members) = try? decodeParameters(JSONValue.self, of: message) else { return nil }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) where value != value.withoutFractions {
            members[name] = value.withoutFractions
            do {
                let simplified = try encoder().encode(["parameters": members])
                _ = try decodeParameters(type, of: Array(simplified))
                return name
            } catch DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty {
                continue
            } catch {
                return name
            }
        }
        return nil
    }
}

extension JSONValue {
    /// With 0 in place of every number that is not whole.
    fileprivate var withoutFractions: JSONValue {
        switch self {
        case .double: .int(0)
        case .array(let values): .array(values.map(\.withoutFractions))
        case .object(let members): .object(members.mapValues(\.withoutFractions))
        default: self
        }
    }
}
