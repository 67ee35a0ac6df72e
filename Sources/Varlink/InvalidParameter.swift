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
        guard !path.isEmpty else {
            let unreadable = try? decodeParameters(Unreadable.self, of: message).path
            let found = unreadable?.joined(separator: ".") ?? unrepresentable(type, message) ?? ""
            // Of all of them, or of one whose name is empty.
            return found.isEmpty ? "parameters" : found
        }
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

    /// Where a text or a number stands that no type can hold: half a surrogate pair, 1e999. Lists are not searched.
    private struct Unreadable: Decodable {
        var path: [String]?

        init(from decoder: any Decoder) throws {
            if let object = try? decoder.container(keyedBy: MemberName.self) {
                for name in object.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
                    guard let inner = try object.decode(Unreadable.self, forKey: name).path else { continue }
                    path = [name.stringValue] + inner
                    return
                }
                return
            }
            let value = try decoder.singleValueContainer()
            if Self.isUnreadable(value, as: String.self) || Self.isUnreadable(value, as: Double.self) { path = [] }
        }

        /// What `JSONDecoder` cannot read it throws as it is, and only at the top as a `DecodingError`.
        private static func isUnreadable<Value: Decodable>(
            _ value: any SingleValueDecodingContainer, as type: Value.Type
        ) -> Bool {
            do {
                _ = try value.decode(type)
                return false
            } catch DecodingError.dataCorrupted {
                return true
            } catch is DecodingError {
                return false
            } catch {
                return true
            }
        }
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
