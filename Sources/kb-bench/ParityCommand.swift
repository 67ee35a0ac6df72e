import ArgumentParser
import FoundationEssentials
import Parity

/// Holds forward, backward, optimizer and greedy decoding against a folder of reference values.
struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parity",
        abstract: "Compare with reference values of transformers and PyTorch.",
        discussion: """
            Prints one JSON object a comparison: its largest error, what is allowed, and where it was. Ends with status 1 \
            where an error is larger than allowed.
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
