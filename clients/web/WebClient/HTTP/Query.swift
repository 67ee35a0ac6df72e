import Hummingbird
import HummingbirdCore

/// The parameters of an address, each at most once.
struct Query {
    private var parameters: [String: String] = [:]

    /// - Throws: `APIError` where a parameter is there twice or is not what an escaped UTF-8 text is
    init(_ uri: URI) throws {
        for pair in (uri.query ?? "").split(separator: "&") {
            let equals = pair.firstIndex(of: "=") ?? pair.endIndex
            guard let name = Self.unescaped(pair[..<equals]), let value = Self.unescaped(pair[equals...].dropFirst())
            else {
                throw APIError(
                    .badRequest, "a parameter of the address is not escaped UTF-8", param: String(pair[..<equals]),
                    code: "invalid_query")
            }
            guard parameters.updateValue(value, forKey: name) == nil else {
                throw APIError(
                    .badRequest, "the parameter ‘\(name)’ is there twice", param: name, code: "repeated_parameter")
            }
        }
    }

    /// Nil where an escape has no two digits, or the bytes are no UTF-8.
    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
    }

    /// Nil where it is not there.
    subscript(_ name: String) -> String? { parameters[name] }

    /// Nil where it is not there.
    func flag(_ name: String) throws -> Bool? {
        guard let value = self[name] else { return nil }
        guard let flag = Bool(value) else {
            throw APIError(.badRequest, "‘\(name)’ is neither true nor false", param: name, code: "invalid_type")
        }
        return flag
    }

    /// A parameter that has to be there.
    func text(_ name: String) throws -> String {
        guard let value = self[name], !value.isEmpty else {
            throw APIError(.badRequest, "the parameter ‘\(name)’ is missing", param: name, code: "missing")
        }
        return value
    }

    /// Nil where it is not there; never below 0.
    func integer(_ name: String) throws -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = Int(value) else {
            throw APIError(.badRequest, "‘\(name)’ is not a whole number", param: name, code: "invalid_type")
        }
        guard number >= 0 else {
            throw APIError(.badRequest, "‘\(name)’ has to be 0 or more", param: name, code: "invalid_value")
        }
        return number
    }
}
