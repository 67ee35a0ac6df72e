import FoundationEssentials
import Interface
import Testing
import Varlink

/// An interface as Swift has it, to be held against its `.varlink` file.
struct SwiftInterface: CustomTestStringConvertible, Sendable {
    let name: String
    let description: String
    let types: [any (Decodable & Sendable).Type]
    let methods: [any VarlinkMethod.Type]
    let errors: [any VarlinkErrorReply.Type]

    var testDescription: String { name }

    static let inference = SwiftInterface(
        name: InferenceInterface.name, description: InferenceInterface.description,
        types: [
            InferenceInterface.Sampling.self, InferenceInterface.Provenance.self, InferenceInterface.Filling.self,
            InferenceInterface.Mask.self,
        ],
        methods: [
            InferenceInterface.FillMask.self, InferenceInterface.Generate.self, InferenceInterface.Score.self,
            InferenceInterface.Tokenize.self, InferenceInterface.Detokenize.self,
        ],
        errors: InferenceInterface.errors)

    static let manager = SwiftInterface(
        name: ManagerInterface.name, description: ManagerInterface.description,
        types: [
            ManagerInterface.Model.self, ManagerInterface.Corpus.self, ManagerInterface.Run.self,
            ManagerInterface.Generation.self, ManagerInterface.StepMetric.self, ManagerInterface.Evaluation.self,
            ManagerInterface.CorpusCounts.self, ManagerInterface.Parameter.self, ManagerInterface.Check.self,
            ManagerInterface.Event.self,
        ],
        methods: [
            ManagerInterface.GetStatus.self, ManagerInterface.ListModels.self, ManagerInterface.ListCorpora.self,
            ManagerInterface.ListRuns.self, ManagerInterface.ListGenerations.self, ManagerInterface.GetMetrics.self,
            ManagerInterface.Watch.self, ManagerInterface.Train.self, ManagerInterface.CancelRun.self,
            ManagerInterface.RemoveCorpus.self, ManagerInterface.Promote.self, ManagerInterface.Describe.self,
            ManagerInterface.DescribeTensor.self, ManagerInterface.Doctor.self, ManagerInterface.Import.self,
            ManagerInterface.Export.self,
        ],
        errors: ManagerInterface.errors)

    /// Of the server, and without a file.
    static let limits = SwiftInterface(
        name: VarlinkLimitsInterface.name, description: VarlinkLimitsInterface.description, types: [], methods: [],
        errors: VarlinkLimitsInterface.errors)

    /// What the Swift types say, in the form of a parsed file.
    func read() throws -> InterfaceText {
        var text = try InterfaceText("interface \(name)")
        for type in types { text.types["\(type)"] = try decodedFields(of: type) }
        for method in methods {
            text.methods[short(method.name)] = (
                try decodedFields(of: parameters(of: method)), try decodedFields(of: reply(of: method))
            )
        }
        for error in errors { text.errors[short(error.name)] = try decodedFields(of: error) }
        return text
    }

    private func short(_ full: String) -> String {
        full.hasPrefix("\(name).") ? String(full.dropFirst(name.count + 1)) : full
    }
}

private func parameters<M: VarlinkMethod>(of method: M.Type) -> any Decodable.Type { M.Parameters.self }
private func reply<M: VarlinkMethod>(of method: M.Type) -> any Decodable.Type { M.Reply.self }

@Suite struct InterfaceTests {
    @Test(arguments: [SwiftInterface.inference, .manager])
    func descriptionIsTheFile(interface: SwiftInterface) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/Interface/\(interface.name).varlink").standardized
        #expect(interface.description == String(decoding: try Data(contentsOf: file), as: UTF8.self))
    }

    @Test(arguments: [SwiftInterface.inference, .manager, .limits])
    func typesSayWhatTheFileSays(interface: SwiftInterface) throws {
        let file = try InterfaceText(interface.description)
        let swift = try interface.read()
        #expect(swift.name == file.name)
        for (name, fields) in file.types { #expect(swift.types[name] == fields, "type \(name)") }
        for (name, method) in file.methods {
            #expect(swift.methods[name]?.parameters == method.parameters, "method \(name)")
            #expect(swift.methods[name]?.reply == method.reply, "method \(name)")
        }
        for (name, fields) in file.errors { #expect(swift.errors[name] == fields, "error \(name)") }
        #expect(swift == file)
    }

    @Test func absentFieldsAreNil() throws {
        let call = Array(#"{"method": "…", "parameters": {"text": "a <mask>", "top_k": null}}"#.utf8)
        let parameters = try VarlinkCoding.decodeParameters(InferenceInterface.FillMask.Parameters.self, of: call)
        #expect(parameters == .init(text: "a <mask>"))
    }
}
