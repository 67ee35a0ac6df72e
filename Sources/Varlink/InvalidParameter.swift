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

    /// `JSONDecoder` does not say where it found a fraction in place of a whole number. The parameter is the first with
    /// which, and those before it, the fractions have to go for the error to go. Searched by halves: a caller may send
    /// a hundred thousand.
    private static func unrepresentable<Value: Decodable>(_ type: Value.Type, _ message: [UInt8]) -> String? {
        guard case .object(let members) = try? decodeParameters(JSONValue.self, of: message) else { return nil }
        let names = members.filter { $0.value != $0.value.withoutFractions }.keys.sorted()
        func isAmongFirst(_ count: Int) -> Bool {
            var members = members
            for name in names.prefix(count) { members[name] = members[name]?.withoutFractions }
            do {
                _ = try decodeParameters(type, of: Array(try encoder().encode(["parameters": members])))
                return true
            } catch DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty {
                return false
            } catch {
                return true
            }
        }
        guard isAmongFirst(names.count) else { return nil }
        var (without, with) = (0, names.count)
        while with - without > 1 {
            let middle = (without + with) / 2
            if isAmongFirst(middle) { with = middle } else { without = middle }
        }
        return names.isEmpty ? nil : names[with - 1]
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
