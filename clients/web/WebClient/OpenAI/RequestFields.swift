import HTTPTypes
import Varlink

/// The fields of a body in OpenAI's format. A field that has no effect is refused rather than ignored, unless its value
/// asks for nothing: a misspelled or unsupported option would otherwise change nothing in silence.
struct RequestFields {
    /// Number of fields that an error lists.
    private static let listed = 10

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let fields: KeyedDecodingContainer<Name>

    init(of decoder: any Decoder) throws { fields = try decoder.container(keyedBy: Name.self) }

    /// - Parameters:
    ///   - known: fields that are read
    ///   - neutral: fields that are not supported, with the values that have no effect; nor has null
    ///   - ignored: fields that have no effect on an answer
    /// - Throws: `APIError` that lists all other fields
    func check(known: [String], neutral: [String: [JSONValue]], ignored: Set<String>) throws {
        let known = Set(known)
        var (unknown, unsupported): ([String], [String]) = ([], [])
        for field in fields.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            let name = field.stringValue
            if known.contains(name) || ignored.contains(name) { continue }
            if (try? fields.decodeNil(forKey: field)) == true { continue }
            guard let values = neutral[name] else {
                unknown.append(name)
                continue
            }
            let value = try? fields.decode(JSONValue.self, forKey: field)
            if !values.contains(where: { $0 == value }) { unsupported.append(name) }
        }
        if !unknown.isEmpty { throw Self.unknown(unknown, also: unsupported) }
        if !unsupported.isEmpty { throw Self.unsupported(unsupported) }
    }

    static func unsupported(_ names: [String]) -> APIError {
        APIError(
            .badRequest, "\(list(names)) \(names.count == 1 ? "is" : "are") not supported", param: names.first,
            code: "unsupported_parameter")
    }

    private static func unknown(_ names: [String], also unsupported: [String]) -> APIError {
        let more = unsupported.isEmpty ? "" : "; \(Self.unsupported(unsupported).message)"
        return APIError(
            .badRequest,
            "\(list(names)) \(names.count == 1 ? "is not a field" : "are not fields") of this request\(more)",
            param: names.first, code: "unknown_field")
    }

    private static func list(_ names: [String]) -> String {
        let all = names.prefix(listed).map { "‘\($0.clipped(to: 40))’" }.joined(separator: ", ")
        return names.count > listed ? "\(all) and \(names.count - listed) more" : all
    }
}
