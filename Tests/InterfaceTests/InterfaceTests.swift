import Interface
import Testing
import Varlink

@Suite struct InterfaceTests {
    /// The grammar allows an array of nullable elements or of arrays, but systemd's parser does not, and `varlinkctl`
    /// then cannot introspect the interface. `make test-systemd` runs `varlinkctl validate-idl`.
    @Test func definitionsUseNoArraysThatSystemdRejects() {
        for unsupported in ["[]?", "[][", "[string]?", "[string]["] {
            #expect(!InferenceInterface.description.contains(unsupported))
            #expect(!ManagerInterface.description.contains(unsupported))
        }
    }

    @Test func namesArePrefixedWithTheInterface() {
        for method in ManagerInterface.methods { #expect(method.name.hasPrefix("io.kantaibert.Manager.")) }
        for error in InferenceInterface.errors { #expect(error.name.hasPrefix("io.kantaibert.Inference.")) }
        #expect(ManagerInterface.methods.count == 26 && InferenceInterface.methods.count == 12)
    }

    @Test func absentParametersAreNil() throws {
        let call = Array(#"{"method": "…", "parameters": {"text": "a <mask>", "top_k": null}}"#.utf8)
        let parameters = try VarlinkCoding.decodeParameters(InferenceInterface.FillMask.Parameters.self, of: call)
        #expect(parameters == .init(text: "a <mask>"))
    }

    @Test func nextPageKeepsTheOtherParameters() {
        let runs = ManagerInterface.ListRuns.Parameters(model: "assistant", limit: 2)
        #expect(
            ManagerInterface.ListRuns.next(after: .init(runs: [], next: "7"), of: runs)
                == .init(model: "assistant", limit: 2, after: "7"))
        #expect(ManagerInterface.ListRuns.next(after: .init(runs: []), of: runs) == nil)
        let metrics = ManagerInterface.GetMetrics.Parameters(run: "assistant-1", afterStep: 3)
        #expect(
            ManagerInterface.GetMetrics.next(after: .init(steps: [], evaluations: [], next: 9), of: metrics)
                == .init(run: "assistant-1", afterStep: 9))
    }

    @Test func importErrorOmitsTheServicesPath() {
        let refused = ManagerInterface.ImportRefused(
            directory: "/var/lib/x", reason: "/var/lib/x/config.json: not JSON (in /var/lib/x)")
        #expect(refused.reason == "config.json: not JSON (in )")
    }
}
