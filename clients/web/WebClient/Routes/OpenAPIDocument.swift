import FoundationEssentials
import Interface
import Varlink

/// The routes as an OpenAPI 3.1 document, made from the same table as the router.
///
/// Fields and query parameters are those of the examples. A field has the types of its examples, and is required if every
/// example has it.
enum OpenAPIDocument {
    static func document(of routes: [Route]) -> JSONValue {
        var paths: [String: JSONValue] = [:]
        for route in routes {
            guard case .object(var methods) = paths[route.path] ?? [:] else { continue }
            methods[route.method.rawValue.lowercased()] = operation(route)
            paths[route.path] = .object(methods)
        }
        return [
            "openapi": "3.1.0",
            "info": ["title": "kantaibert-web", "version": "1", "description": "HTTP API of kantaibertd's models"],
            "paths": .object(paths),
            "components": [
                "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
                "schemas": ["Error": error],
            ],
        ]
    }

    /// The format of `APIError`.
    private static var error: JSONValue {
        let text: JSONValue = ["type": "string"]
        let optional: JSONValue = ["type": ["string", "null"]]
        return [
            "type": "object", "required": ["error"],
            "properties": [
                "error": [
                    "type": "object", "required": ["message", "type", "param", "code"],
                    "properties": ["message": text, "type": text, "param": optional, "code": optional],
                ]
            ],
        ]
    }

    private static func operation(_ route: Route) -> JSONValue {
        var operation: [String: JSONValue] = [
            "description": .string(route.documentation),
            "responses": [
                "2XX": ["description": "success"],
                "default": [
                    "description": "an error",
                    "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
                ],
            ],
        ]
        switch route.access {
        case .open: break
        case .read: operation["security"] = [["token": []], [:]]
        case .change, .reveal: operation["security"] = [["token": []]]
        }
        switch route.input {
        case .nothing: break
        case .path(let values): operation["parameters"] = .array([pathParameter(route, values)])
        case .query(let queries): operation["parameters"] = .array(queryParameters(queries))
        case .file(let queries):
            operation["parameters"] = .array(queryParameters(queries))
            operation["requestBody"] = ["required": true, "content": ["application/octet-stream": [:]]]
        case .json(let bodies):
            operation["requestBody"] = ["required": true, "content": ["application/json": content(bodies)]]
        }
        return .object(operation)
    }

    private static func pathParameter(_ route: Route, _ values: [String]) -> JSONValue {
        let name = route.path.drop { $0 != "{" }.dropFirst().prefix { $0 != "}" }
        return [
            "name": .string(String(name)), "in": "path", "required": true,
            "schema": ["type": "string", "examples": .array(values.map(JSONValue.string))],
        ]
    }

    private static func queryParameters(_ queries: [String]) -> [JSONValue] {
        var examples: [String: [JSONValue]] = [:]
        for pair in queries.flatMap({ $0.split(separator: "&") }) {
            let parts = pair.split(separator: "=", maxSplits: 1).compactMap { PercentEncoding.decoded($0) }
            if parts.count == 2 { examples[parts[0], default: []].append(.string(parts[1])) }
        }
        return examples.sorted { $0.key < $1.key }.map { name, values in
            ["name": .string(name), "in": "query", "schema": ["type": "string", "examples": .array(values)]]
        }
    }

    private static func content(_ bodies: [String]) -> JSONValue {
        var fields: [String: [JSONValue]] = [:]
        var examples: [String: JSONValue] = [:]
        for (index, body) in bodies.enumerated() {
            guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(body.utf8)),
                case .object(let members) = value
            else { continue }
            examples["\(index + 1)"] = ["value": value]
            for (name, value) in members { fields[name, default: []].append(value) }
        }
        let required = fields.filter { $1.count == examples.count }.keys.sorted()
        return [
            "schema": [
                "type": "object", "required": .array(required.map(JSONValue.string)),
                "properties": .object(fields.mapValues { ["type": types($0), "examples": .array($0)] }),
            ],
            "examples": .object(examples),
        ]
    }

    /// The names that JSON Schema has for the types of values.
    private static func types(_ values: [JSONValue]) -> JSONValue {
        var names = Set(
            values.map { value in
                switch value {
                case .null: "null"
                case .bool: "boolean"
                case .int: "integer"
                case .double: "number"
                case .string: "string"
                case .array: "array"
                case .object: "object"
                }
            })
        if names.contains("number") { names.remove("integer") }
        return .array(names.sorted().map(JSONValue.string))
    }
}
