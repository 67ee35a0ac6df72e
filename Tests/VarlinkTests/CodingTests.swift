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

    @Test(arguments: [#"{"method":"m"}"#, #"{"method":"m","parameters":null}"#, #"{"method":"m","parameters":{}}"#])
    func absentParametersAreEmpty(call: String) throws {
        #expect(try VarlinkCoding.decodeParameters(VarlinkNothing.self, of: Array(call.utf8)) == VarlinkNothing())
        do {
            _ = try VarlinkCoding.decodeParameters(Sample.self, of: Array(call.utf8))
            Issue.record("a missing parameter was not noticed")
        } catch {
            #expect(VarlinkCoding.invalidParameter(error, decoding: Sample.self, of: Array(call.utf8)) == "text")
        }
    }

    @Test func anyJSONComesBackAsItWas() throws {
        let text = #"{"a":[1,-2.5,"ü\u0000",true,null,{}],"b":9007199254740993}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        #expect(value["a"] == [1, -2.5, "ü\0", true, nil, [:]])
        #expect(value["b"] == 9_007_199_254_740_993)
        #expect(value.text == text)
    }
}
