import Hummingbird
import HummingbirdCore

/// The query parameters of a URL. Each may occur once.
struct Query {
    private var parameters: [String: String] = [:]

    /// - Throws: `APIError` if a parameter occurs twice or is not percent-encoded UTF-8
    init(_ uri: URI) throws {
        for pair in (uri.query ?? "").split(separator: "&") {
            let equals = pair.firstIndex(of: "=") ?? pair.endIndex
            guard let name = PercentEncoding.decoded(pair[..<equals]),
                let value = PercentEncoding.decoded(pair[equals...].dropFirst())
            else {
                throw APIError(
                    .badRequest, "a query parameter is not percent-encoded UTF-8", param: String(pair[..<equals]),
                    code: "invalid_query")
            }
            guard parameters.updateValue(value, forKey: name) == nil else {
                throw APIError(
                    .badRequest, "the parameter ‘\(name)’ occurs twice", param: name, code: "repeated_parameter")
            }
        }
    }

    /// Returns nil if the parameter is missing.
    subscript(_ name: String) -> String? { parameters[name] }

    /// Returns nil if the parameter is missing.
    func flag(_ name: String) throws -> Bool? {
        guard let value = self[name] else { return nil }
        guard let flag = Bool(value) else {
            throw APIError(.badRequest, "‘\(name)’ must be true or false", param: name, code: "invalid_type")
        }
        return flag
    }

    /// Returns a required parameter.
    func text(_ name: String) throws -> String {
        guard let value = self[name], !value.isEmpty else {
            throw APIError(.badRequest, "the parameter ‘\(name)’ is missing", param: name, code: "missing")
        }
        return value
    }

    /// Returns nil if the parameter is missing; negative numbers are rejected.
    func integer(_ name: String) throws -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = Int(value) else {
            throw APIError(.badRequest, "‘\(name)’ must be an integer", param: name, code: "invalid_type")
        }
        guard number >= 0 else {
            throw APIError(.badRequest, "‘\(name)’ must be 0 or more", param: name, code: "invalid_value")
        }
        return number
    }
}
