import ArgumentParser
import FoundationEssentials
import Parity

/// Compares forward pass, backward pass, optimizer and greedy decoding with a folder of reference values.
struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parity",
        abstract: "Compare with reference values of transformers and PyTorch.",
        discussion: """
            Prints one JSON object per comparison, with the largest error, the tolerance and the position of the \
            error. Exits with status 1 if an error exceeds its tolerance.

            After five AdamW steps, a parameter must be within 2e-5 of the reference. A gradient that is not larger than \
            the error of its own summation does not determine a step; such parameters are compared with what rounding of \
            their gradients explains, and must be few. For the worst parameter of both kinds, the object has both first \
            gradients, the bound on their error of summation and the cause of the difference.
            """)

    @Argument(
        help: "A folder with model/, batch.json, forward.safetensors, gradients.safetensors, adamw5*.safetensors.")
    var folder: String

    func run() throws {
        let results = try ParityCheck.run(try GoldenFolder(path: folder))
        for result in results { print(try jsonLine(result)) }
        if !results.allSatisfy(\.passed) { throw ExitCode(1) }
    }
}
