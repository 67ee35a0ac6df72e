import Inference
import Interface
import Testing

/// The interface documents the values of sampling parameters, which clients show; they must be those that are accepted.
struct InterfaceRangesTests {
    @Test(
        arguments: [
            ("max_new_tokens", "At least 0.", [0.0], [-1.0]),
            ("temperature", "At least 0; 0 is greedy decoding.", [0], [-0.1]),
            ("top_k", "At least 0; 0 means all tokens.", [0], [-1]),
            ("top_p", "Greater than 0 and at most 1.", [0.001, 1], [0, 1.001]),
            ("min_p", "From 0 to 1.", [0, 1], [-0.001, 1.001]), ("repetition_penalty", "Greater than 0.", [0.001], [0]),
        ] as [(String, String, [Double], [Double])])
    func documentedValuesAreAccepted(_ name: String, _ documented: String, _ valid: [Double], _ invalid: [Double])
        throws
    {
        #expect(InferenceInterface.description.contains("  # \(documented)\n  \(name): "))
        for (values, isValid) in [(valid, true), (invalid, false)] {
            for value in values {
                var options = SamplingOptions()
                switch name {
                case "max_new_tokens": options.maxNewTokens = Int(value)
                case "temperature": options.temperature = value
                case "top_k": options.topK = Int(value)
                case "top_p": options.topP = value
                case "min_p": options.minP = value
                default: options.repetitionPenalty = value
                }
                #expect(((try? options.validate()) != nil) == isValid, "\(name) \(value)")
            }
        }
    }

    @Test func limitsOfTextsAreDocumented() {
        #expect(
            InferenceInterface.description.contains(
                "At most \(RequestLimits.stops) texts, each of 1 to \(RequestLimits.stopBytes) bytes."))
        #expect(InferenceInterface.description.contains("At most \(RequestLimits.masks) times <mask>."))
        #expect(InferenceInterface.description.contains("1 to \(RequestLimits.targets) words, none of them empty."))
    }
}
