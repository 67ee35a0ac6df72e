import FoundationEssentials
import Testing
import Varlink
import VarlinkGenerator

@Suite struct VarlinkGeneratorTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    /// `org.example.constructs.varlink` uses every construct of the grammar. The plugin has translated it for this
    /// target, so the expected source is also known to compile.
    @Test func emitsExpectedSource() throws {
        let definition = ConstructsInterface.description
        let expected = try Data(contentsOf: Self.fixtures.appending(path: "org.example.constructs.swift.expected"))
        let source = SwiftEmitter.source(
            for: try Parser.parse(definition), fileName: "org.example.constructs.varlink")
        for (line, (found, wanted)) in zip(Self.lines(source), Self.lines(String(decoding: expected, as: UTF8.self)))
            .enumerated()
        {
            try #require(found == wanted, "line \(line + 1)")
        }
        #expect(source.utf8.elementsEqual(expected))
    }

    @Test func preservesDefinitionVerbatim() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "org.example.constructs.varlink")
        #expect(try Data(contentsOf: file).elementsEqual(ConstructsInterface.description.utf8))
    }

    @Test func generatedTypesUseWireNames() throws {
        let shape = ConstructsInterface.Shape(
            kind: .otherKind, center: .init(x: 1, y: 2), sides: [.init(length: 3, style: .dashed), .init(length: 4)],
            tags: ["red": VarlinkNothing()], owner: .self_, raw: ["a": [1, nil]])
        let parameters = ConstructsInterface.Describe.Parameters(
            shapes: [shape],
            options: .init(depth: 1, maxArea: 2.5, nested: ["a": [1]], matrix: [[0.5]], holes: [1, nil]))
        let message = try VarlinkCoding.encodeCall(ConstructsInterface.Describe.self, parameters)
        let expected =
            #"{"method":"org.example.constructs.Describe","parameters":{"options":{"depth":1,"holes":[1,null],"#
            + #""matrix":[[0.5]],"max_area":2.5,"nested":{"a":[1]}},"shapes":[{"center":{"x":1,"y":2},"#
            + #""kind":"other_kind","owner":"self","raw":{"a":[1,null]},"#
            + #""sides":[{"length":3,"style":"dashed"},{"length":4}],"tags":{"red":{}}}]}}"#
        #expect(String(decoding: message, as: UTF8.self) == expected)
        let decoded = try VarlinkCoding.decodeParameters(
            ConstructsInterface.Describe.Parameters.self, of: Array(message))
        #expect(decoded == parameters)
    }

    @Test func reservedNamesKeepTheirWireNames() throws {
        let value = ConstructsInterface.Type_(
            class: 1, self_: "me", in: true, codingKeys: .type, string: "text", cpuWeight: 5)
        let text = String(decoding: try VarlinkCoding.encodeReply(value), as: UTF8.self)
        #expect(
            text
                == #"{"parameters":{"CPUWeight":5,"String":"text","class":1,"coding_keys":"Type","in":true,"self":"me"}}"#
        )
        #expect(ConstructsInterface.Owner.allCases.map(\.rawValue).contains("allCases"))
    }

    @Test func listsMethodsAndErrors() {
        #expect(
            ConstructsInterface.methods.map { $0.name.split(separator: ".").last } == [
                "Describe", "Ping", "Reset", "Stop",
            ])
        #expect(
            ConstructsInterface.errors.map { $0.name } == ["CannotDraw", "Busy"].map { "org.example.constructs.\($0)" })
        let busy = ConstructsInterface.Busy()
        #expect(ConstructsInterface.ErrorReply(busy) == .busy(busy))
        #expect(ConstructsInterface.ErrorReply(VarlinkLimitsInterface.RequestTooLarge(limit: 1)) == nil)
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false)
    }
}

/// Definitions that do not conform to the grammar, and the position and text of the error.
@Suite struct MalformedDefinitionTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let name: String
        let definition: String
        let error: String
        var testDescription: String { name }

        init(_ name: String, _ definition: String, _ error: String) {
            (self.name, self.definition, self.error) = (name, definition, error)
        }
    }

    static let syntax = [
        Example("empty", "", "1:1: error: expected ‘interface’, found the end of the file"),
        Example("no interface", "type A ()", "1:1: error: expected ‘interface’, found ‘type’"),
        Example(
            "interface without a dot", "interface example",
            "1:11: error: expected an interface name such as ‘org.example.Calendar’, found ‘example’"),
        Example(
            "interface that ends with a hyphen", "interface org.example-",
            "1:11: error: expected an interface name such as ‘org.example.Calendar’, found ‘org.example-’"),
        Example(
            "no member", "interface org.example\n",
            "2:1: error: expected ‘type’, ‘method’ or ‘error’, found the end of the file"),
        Example(
            "unknown keyword", "interface org.example\nstruct A ()",
            "2:1: error: expected ‘type’, ‘method’ or ‘error’, found ‘struct’"),
        Example(
            "lowercase type name", "interface org.example\ntype a ()",
            "2:6: error: expected a name that starts with an uppercase letter, found ‘a’"),
        Example(
            "underscore in a type name", "interface org.example\ntype A_b ()",
            "2:6: error: expected a name that starts with an uppercase letter, found ‘A_b’"),
        Example(
            "field that starts with an underscore", "interface org.example\ntype A (_b: int)",
            "2:9: error: expected the name of a field, found ‘_b’"),
        Example(
            "field that ends with an underscore", "interface org.example\ntype A (a: int, b_: int)",
            "2:17: error: expected the name of a field, found ‘b_’"),
        Example(
            "two underscores", "interface org.example\ntype A (a: int,\n  b__c: int)",
            "3:3: error: expected the name of a field, found ‘b__c’"),
        Example(
            "trailing comma", "interface org.example\ntype A (a: int,)",
            "2:16: error: expected the name of a field, found ‘)’"),
        Example(
            "missing comma", "interface org.example\ntype A (\n  # One.\n  a: int\n  b: int\n)",
            "5:3: error: expected ‘,’ or ‘)’, found ‘b’"),
        Example(
            "missing type", "interface org.example\ntype A (a: , b: int)",
            "2:12: error: expected a type, found ‘,’"),
        Example(
            "unknown lowercase type", "interface org.example\ntype A (a: integer)",
            "2:12: error: expected a type, found ‘integer’"),
        Example(
            "twice nullable", "interface org.example\ntype A (a: ??int)",
            "2:13: error: expected a type that is not nullable, found ‘?’"),
        Example(
            "map from integers", "interface org.example\ntype A (a: [int]string)",
            "2:12: error: unexpected character ‘[’"),
        Example(
            "method without a reply", "interface org.example\nmethod A()",
            "2:11: error: expected ‘->’, found the end of the file"),
        Example(
            "method with an enumeration", "interface org.example\nmethod A(a, b) -> ()",
            "2:9: error: expected fields with types, found an enumeration"),
        Example(
            "error with an enumeration", "interface org.example\nerror A (a, b)",
            "2:9: error: expected fields with types, found an enumeration"),
        Example(
            "unclosed parenthesis", "interface org.example\ntype A (a: int",
            "2:15: error: expected ‘,’ or ‘)’, found the end of the file"),
        Example(
            "columns count characters", "interface org.example\n# ‘é’\r\n\u{A0}type é",
            "3:7: error: unexpected character ‘é’"),
    ]

    static let names = [
        Example(
            "duplicate member", "interface org.example\ntype A ()\n\nmethod A() -> ()",
            "4:8: error: ‘A’ is already declared in line 2"),
        Example(
            "duplicate field", "interface org.example\ntype A (a: int, a: bool)",
            "2:17: error: ‘a’ is already declared"),
        Example(
            "duplicate value", "interface org.example\nmethod A(a: (x, y, x)) -> ()",
            "2:20: error: ‘x’ is already declared"),
        Example(
            "fields with the same name in Swift", "interface org.example\ntype A (top_k: int, topK: int)",
            "2:21: error: ‘top_k’ and ‘topK’ have the same name in Swift"),
        Example(
            "errors with the same name in Swift", "interface org.example\nerror IOError ()\nerror IoError ()",
            "3:7: error: ‘IOError’ and ‘IoError’ have the same name in Swift"),
        Example(
            "undeclared type", "interface org.example\nerror A (a: [string]?[](b: B))",
            "2:28: error: there is no type ‘B’"),
        Example(
            "method as a type", "interface org.example\nmethod M() -> ()\ntype A (a: M)",
            "3:12: error: ‘M’ is not a type"),
        Example(
            "type that contains itself", "interface org.example\ntype A (a: ?A)",
            "2:13: error: ‘A’ contains itself; this is possible only in an array or a map"),
        Example(
            "types that contain each other", "interface org.example\ntype A (b: (c: B))\ntype B (a: ?A)",
            "3:13: error: ‘A’ contains itself; this is possible only in an array or a map"),
    ]

    @Test(arguments: syntax + names) func errorHasLocation(example: Example) {
        do {
            _ = try Parser.parse(example.definition)
            Issue.record("the definition was accepted")
        } catch {
            #expect(error.description == example.error)
        }
    }
}

/// Definitions whose layout is unusual but valid.
@Suite struct LayoutTests {
    @Test func whiteSpaceIsIgnored() throws {
        let definition = "interface org.example\r\ntype\tA(a:int)method M(a:\n?\n[ ]int)->()error E()"
            .replacing("[ ]", with: "[]")
        let interface = try Parser.parse(definition)
        #expect(interface.members.map(\.name) == ["A", "M", "E"])
        guard case .method(let parameters, let reply) = interface.members[1].kind else {
            Issue.record("M is not a method")
            return
        }
        #expect(parameters.map(\.type) == [.nullable(.array(.int))] && reply.isEmpty)
    }

    @Test func commentsDocumentTheNextDeclaration() throws {
        let interface = try Parser.parse(
            """
            # Detached.

            # Interface.
            interface org.example # Behind.
            # Type.
            #Second line.
            type A (
              # Field.
              a: int, # Behind.
              b: (
                c,
                # Value.
                d
              )
            )
            # At the end.
            """)
        #expect(interface.documentation == ["Interface."])
        #expect(interface.members[0].documentation == ["Type.", "Second line."])
        guard case .type(.structure(let fields)) = interface.members[0].kind,
            case .enumeration(let values) = fields[1].type
        else {
            Issue.record("A does not have the expected fields")
            return
        }
        #expect(fields.map(\.documentation) == [["Field."], []])
        #expect(values.map(\.documentation) == [[], ["Value."]])
    }

    @Test(arguments: [
        ("org.example.Calendar", "CalendarInterface"), ("org.example.calendar", "CalendarInterface"),
        ("org.example.time-zone", "TimeZoneInterface"),
    ])
    func namespaceIsNamedAfterLastComponent(interface: String, namespace: String) throws {
        let source = SwiftEmitter.source(
            for: try Parser.parse("interface \(interface)\ntype A ()"), fileName: "a.varlink")
        #expect(source.contains("public enum \(namespace) {"))
    }

    @Test func controlCharactersAreEscaped() throws {
        let definition = "# \u{1}\"\\\r\ninterface org.example\ntype A ()"
        let source = SwiftEmitter.source(for: try Parser.parse(definition), fileName: "a.varlink")
        #expect(source.contains(##"description = "# \u{1}\"\\\u{d}\u{a}interface org.example\u{a}type A ()""##))
    }
}
