import FoundationEssentials

extension VarlinkCoding {
    /// The first parameter of a call that `value`, decoded from it, knows nothing of: `sampling.temprature`. Nil where
    /// there is none. A misspelt parameter would otherwise silently do nothing.
    ///
    /// What a type knows is what it would send itself; a parameter that is null says nothing and is let pass.
    public static func unknownParameter(_ value: some Encodable, of message: [UInt8]) throws -> String? {
        let sent = try decodeParameters(Members.self, of: message)
        guard !sent.named.isEmpty else { return nil }
        let known = try JSONDecoder().decode(Members.self, from: try encoder().encode(value))
        return sent.firstUnknown(to: known)
    }

    /// The names in an object, in the objects in it, and so on.
    private struct Members: Decodable {
        var named: [String: Members] = [:]

        init(from decoder: any Decoder) throws {
            guard let object = try? decoder.container(keyedBy: MemberName.self) else { return }
            for name in object.allKeys where try !object.decodeNil(forKey: name) {
                named[name.stringValue] = try object.decode(Members.self, forKey: name)
            }
        }

        func firstUnknown(to known: Members) -> String? {
            for (name, members) in named.sorted(by: { $0.key < $1.key }) {
                guard let knownMembers = known.named[name] else { return name }
                if let inner = members.firstUnknown(to: knownMembers) { return "\(name).\(inner)" }
            }
            return nil
        }
    }
}

/// Any name of a member.
struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
