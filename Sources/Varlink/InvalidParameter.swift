import FoundationEssentials

extension VarlinkCoding {
    /// Returns the path of the parameter that caused an error of `decodeParameters`, such as `sampling.top_k`, or
    /// `parameters` if the error concerns all of them.
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
            // The error concerns all parameters or one with an empty name.
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

    /// Finds a string or number that no type can represent, such as half a surrogate pair or 1e999. Arrays are not
    /// searched.
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

        /// `JSONDecoder` reports such values with its own error types, and only at the top level as a `DecodingError`.
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

    /// Returns the parameter with a fraction where an integer is required, whose position `JSONDecoder` does not report.
    ///
    /// It is the first parameter such that the error disappears when fractions are removed from it and from those
    /// before it, found by binary search because a call may have many thousands of parameters.
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
    /// The value with every number that is not an integer replaced by 0.
    fileprivate var withoutFractions: JSONValue {
        switch self {
        case .double: .int(0)
        case .array(let values): .array(values.map(\.withoutFractions))
        case .object(let members): .object(members.mapValues(\.withoutFractions))
        default: self
        }
    }
}
