import FoundationEssentials
import Testing
import Varlink

@Suite struct CodingTests {
    private struct Sample: Codable, Equatable {
        struct Inner: Codable, Equatable {
            var count: Int
        }
        var text: String
        var inner: Inner?
        var ids: [Int]?
    }

    @Test(arguments: [
        (#"{}"#, "text"),
        (#"{"text":1}"#, "text"),
        (#"{"text":null}"#, "text"),
        (#"{"text":"","inner":{"count":"x"}}"#, "inner.count"),
        (#"{"text":"","inner":{}}"#, "inner.count"),
        (#"{"text":"","ids":[1,1.5]}"#, "ids"),
        (#"{"text":"","inner":{"count":1e30}}"#, "inner"),
        (#"[]"#, "parameters"),
        (#"7"#, "parameters"),
    ])
    func errorsNameTheParameter(parameters: String, name: String) {
        let call = Array(#"{"method":"m","parameters":\#(parameters)}"#.utf8)
        do {
            let value = try VarlinkCoding.decodeParameters(Sample.self, of: call)
            Issue.record("\(parameters) became \(value)")
        } catch {
            #expect(VarlinkCoding.invalidParameter(error, decoding: Sample.self, of: call) == name)
        }
    }

    private enum Call: VarlinkMethod {
        static let name = "m"
        typealias Parameters = Sample
        typealias Reply = VarlinkNothing
    }

    @Test(arguments: [
        (#"{"text":"","ids":[1],"inner":{"count":2}}"#, nil),
        (#"{"text":"","inner":null,"other":null}"#, nil),
        (#"{"text":"","Text":""}"#, "Text"),
        (#"{"text":"","b":1,"a":{"c":1}}"#, "a"),
        (#"{"text":"","inner":{"count":2,"counts":[]}}"#, "inner.counts"),
        (#"{"text":1,"other":1}"#, "text"),
    ])
    func unknownParametersAreRejected(parameters: String, unknown: String?) throws {
        let call = Array(#"{"method":"m","parameters":\#(parameters)}"#.utf8)
        do {
            _ = try VarlinkCoding.decodeCallParameters(Call.self, of: call)
            #expect(unknown == nil)
        } catch {
            #expect(error == .invalidParameter(parameter: unknown ?? "none"))
        }
    }

    @Test func membersOfObjectsAreNotChecked() {
        enum Call: VarlinkMethod {
            static let name = "m"
            struct Parameters: Codable, Sendable { var object: JSONValue }
            typealias Reply = VarlinkNothing
        }
        let call = Array(#"{"method":"m","parameters":{"object":{"any":{"thing":[{"x":1}]}}}}"#.utf8)
        #expect(throws: Never.self) { try VarlinkCoding.decodeCallParameters(Call.self, of: call) }
    }

    @Test(arguments: [#"{"method":"m"}"#, #"{"method":"m","parameters":null}"#, #"{"method":"m","parameters":{}}"#])
    func absentParametersAreEmpty(call: String) throws {
        #expect(try VarlinkCoding.decodeParameters(VarlinkNothing.self, of: Array(call.utf8)) == VarlinkNothing())
        do {
            _ = try VarlinkCoding.decodeParameters(Sample.self, of: Array(call.utf8))
            Issue.record("the missing parameter was accepted")
        } catch {
            #expect(VarlinkCoding.invalidParameter(error, decoding: Sample.self, of: Array(call.utf8)) == "text")
        }
    }

    @Test func jsonValueRoundTrips() throws {
        let text = #"{"a":[1,-2.5,"ü\u0000",true,null,{}],"b":9007199254740993}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        #expect(value["a"] == [1, -2.5, "ü\0", true, nil, [:]])
        #expect(value["b"] == 9_007_199_254_740_993)
        #expect(value.text == text)
    }
}
